"""A tf.data service on this host: a dispatcher and N workers, each in a process of its own.

python -m bench._service N            a dispatcher for N workers, which prints its target
python -m bench._service - ADDRESS    a worker
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from bench._apart import beside, child, end
from pushfit.errors import PushFitError
from pushfit.fleet.local import die_with_parent


def work(dispatcher: str) -> None:
    """Work for the dispatcher at that address, for ever."""
    import tensorflow as tf

    service = tf.data.experimental.service
    config = service.WorkerConfig(dispatcher_address=dispatcher, heartbeat_interval_ms=200)
    service.WorkerServer(config).join()


def dispatch(workers: int, say: Callable[[str], None]) -> None:
    """Dispatch for ever. It says its target, and "ready" once so many workers have joined."""
    import tensorflow as tf

    service = tf.data.experimental.service
    server = service.DispatchServer(service.DispatcherConfig(port=0))
    say(server.target)
    while server._num_workers() < workers:  # there is no public way to know
        time.sleep(0.02)
    say("ready")
    server.join()


def worker(target: str) -> subprocess.Popen[Any]:
    """A worker for the dispatcher of that target, in a process of its own."""
    return child("-m", "bench._service", "-", target.partition("://")[2])


@contextmanager
def service(workers: int) -> Iterator[str]:
    """The target of a service on this host. Raises PushFitError."""
    started: list[subprocess.Popen[Any]] = []
    words = ("-m", "bench._service", workers)
    with beside(*words, stdout=subprocess.PIPE, text=True) as dispatcher:
        assert dispatcher.stdout is not None
        if not (target := dispatcher.stdout.readline().strip()):
            raise PushFitError("the dispatcher of the tf.data service did not start")
        try:
            started += [worker(target) for _ in range(workers)]
            yield target
        finally:
            end(started)


if __name__ == "__main__":
    die_with_parent()
    if sys.argv[1] == "-":
        work(sys.argv[2])
    else:
        dispatch(int(sys.argv[1]), partial(print, flush=True))
