"""`setup` before a generator joins, however long it takes, and `teardown` when it ends."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from pushfit.endpoint import Endpoint
from pushfit.errors import TaskError
from pushfit.generator import preparation
from pushfit.generator.worker import Worker
from tests.support.fakes import NumberParams, NumberTask

WAIT_SECONDS = 30.0  # the longest that a test waits for what must come


class Slow(NumberTask):
    """Its `setup` waits until it has been told to people."""

    def __init__(self) -> None:
        super().__init__(NumberParams())
        self.told, self.ended = threading.Event(), 0
        self.error: Exception | None = None

    def setup(self, links: Path) -> None:
        if self.error is not None:
            raise self.error
        assert self.told.wait(WAIT_SECONDS)

    def teardown(self) -> None:
        self.ended += 1
        if self.error is not None:
            raise self.error


class Heard(logging.Handler):
    def __init__(self, told: threading.Event) -> None:
        super().__init__()
        self.told, self.lines = told, list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.told.set()


def test_a_long_setup_is_told_and_the_process_shows_that_it_is_alive(tmp_path: Path) -> None:
    task, beats = Slow(), list[int]()
    heard = Heard(task.told)
    preparation.log.addHandler(heard)
    try:
        preparation.set_up(task, tmp_path, lambda: beats.append(1), long=0.01)
    finally:
        preparation.log.removeHandler(heard)
    assert heard.lines[0].startswith("setup() of the task number has run for 0 s")
    assert beats


def test_a_setup_that_raises_is_told_by_its_name(tmp_path: Path) -> None:
    task = Slow()
    task.error = FileNotFoundError("teacher.npy")
    with pytest.raises(TaskError, match=r"task number: setup\(\) raised FileNotFound.*teacher.npy"):
        preparation.set_up(task, tmp_path)


def test_a_teardown_that_raises_is_told_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    task = Slow()
    task.error = ValueError("gone already")
    preparation.tear_down(task)
    assert task.ended == 1 and "teardown() of the task number raised ValueError" in caplog.text


def test_a_signal_ends_a_setup_at_once(tmp_path: Path) -> None:
    worker = Worker({Endpoint("127.0.0.1", 1): None}, tmp_path)

    class Interrupted(Slow):
        def setup(self, links: Path) -> None:
            worker.stop()

    with pytest.raises(KeyboardInterrupt):
        worker._set_up(Interrupted(), lambda: None)
    worker.stop()
    worker.run()
