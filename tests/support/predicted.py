"""A stream of predictions at work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pushfit.endpoint import Endpoint
from pushfit.generator.worker import Worker
from pushfit.streams.live import LiveStream
from tests.support.rig import DEADLINE


@contextmanager
def at_work(made: LiveStream, links: Path, count: int = 1) -> Iterator[list[Worker]]:
    """`made`, entered, with so many generators, in threads: these."""
    bind = made._bind

    def binding() -> Any:
        sockets = bind()
        address = Endpoint("127.0.0.1", sockets.control_port)
        workers.extend(Worker({address: None}, links) for _ in range(count))
        threads.extend(threading.Thread(target=worker.run) for worker in workers)
        for thread in threads:
            thread.start()
        return sockets

    workers: list[Worker] = []
    threads: list[threading.Thread] = []
    made._bind = binding  # type: ignore[method-assign]
    try:
        with made:
            yield workers
    finally:
        for worker, thread in zip(workers, threads, strict=True):
            if not worker.finished:
                worker.stop()
            thread.join(DEADLINE)
            assert not thread.is_alive()
