"""What a generator makes of being told to end, once and twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushfit.endpoint import Endpoint
from pushfit.generator.worker import Worker
from pushfit.interrupts import ECHO_SECONDS


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    worker = Worker({Endpoint("127.0.0.1", 1): None}, tmp_path)  # nobody is there
    yield worker
    worker.run()  # told to end, it closes its sockets
    assert not worker.finished


def test_the_same_signal_by_two_ways_counts_once(worker: Worker) -> None:
    """As from a batch system, which tells all processes, and from a supervisor among these."""
    worker.stop()
    worker.stop()


def test_told_a_second_time_it_ends_at_once(worker: Worker) -> None:
    worker.stop()
    time.sleep(ECHO_SECONDS + 0.1)
    with pytest.raises(KeyboardInterrupt):
        worker.stop()
