"""A test that leaves a thread or a process behind fails; sockets and files do by their warnings."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

import hypothesis
import psutil
import pytest

KERAS = "ThreadPoolExecutor"  # the threads on which Keras runs callbacks stay until it is collected
GRACE_SECONDS = 5.0
# Before any test module is imported. Nothing is fetched: a run would take longer, or be another;
# and which task files tests name is not remembered of the person who tests.
STATE = tempfile.TemporaryDirectory(prefix="pushfit-tests-")
ENVIRONMENT = {**os.environ, "PUSHFIT_WEIGHTS": "none", "XDG_STATE_HOME": STATE.name}

# The same code has the same result, however busy the machine. Other examples than these are looked
# for with `pytest --hypothesis-profile search`.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True)
hypothesis.settings.register_profile("search", deadline=None)
hypothesis.settings.load_profile("suite")


@pytest.fixture(autouse=True)
def environment_of_the_person_who_tests() -> None:
    """Some libraries put settings into the environment when they are imported (JAX makes
    TensorFlow talk more, OpenCV adds a folder of libraries): programs that tests start would
    inherit them, and one test's import would show in another's output."""
    os.environ.clear()
    os.environ.update(ENVIRONMENT)


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    threads = set(threading.enumerate())
    processes = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    until = time.monotonic() + GRACE_SECONDS
    while left := _left(threads, processes):
        assert time.monotonic() < until, f"left behind: {left}"
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def jax_does_not_run_here() -> Iterator[None]:
    """JAX warns of every fork once it has run, so later tests of this process would fail."""
    yield
    bridge = sys.modules.get("jax._src.xla_bridge")
    assert bridge is None or not bridge.backends_are_initialized(), (
        "JAX has run in the process of the tests: give this test a process of its own"
    )


def _left(threads: set[threading.Thread], processes: set[int]) -> list[object]:
    running: list[object] = [
        thread
        for thread in threading.enumerate()
        if thread not in threads
        and not thread.name.startswith(KERAS)
        and not isinstance(thread, threading._DummyThread)  # of a library's pool, such as tf.data's
    ]
    children = psutil.Process().children(recursive=True)
    return running + [child for child in children if child.pid not in processes]
