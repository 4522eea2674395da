"""A generator whose samples are ready-made: the real `Worker`, with a maker that draws nothing.

    python -m bench._ready ADDRESS [SECONDS-A-VISIT]

It serves any task that draws pictures: noise that is made once, sent without a copy. With
SECONDS-A-VISIT it waits so long for each visit before it hands that over: a core somewhere else,
simulated by one that sleeps.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lib import tasks
from lib.errors import PushFitError
from lib.fleet.local import PARENT, die_with_parent
from lib.generator import worker
from lib.generator.maker import Control, Made
from lib.tasks.base import ArraySpec, DataSet, Record, Task
from lib.trainer.stream import Stream
from lib.wire.endpoint import parse
from lib.wire.protocol import Grant, Stages

RECORDS = 1000
CLASSES = ("even", "odd")
PAUSE_SECONDS = 0.05  # between two looks at the control connection while it waits


def data_set() -> DataSet:
    """Records that lie nowhere."""
    records = tuple(Record(f"{n}", 0, int(n >= RECORDS // 2)) for n in range(RECORDS))
    return DataSet(CLASSES, {"train": records})


def noise(specs: Iterable[ArraySpec], rows: int) -> list[np.ndarray]:
    """Arrays of (rows, *shape): noise where there is a shape, 0 and 1 by turns elsewhere."""
    rng = np.random.Generator(np.random.Philox(0))
    return [
        rng.integers(0, 256, (rows, *spec.shape), np.uint8).astype(spec.dtype, copy=False)
        if spec.shape
        else (np.arange(rows) % 2).astype(spec.dtype)
        for spec in specs
    ]


class Ready:
    """Stands in for `Maker`: every lease of a size is the same arrays."""

    def __init__(
        self, task: Task, data: DataSet, links: Path, seed: int, patches: Any, patience: float
    ) -> None:
        self.specs, self.patches = task.arrays(), patches
        self.arrays: dict[int, list[np.ndarray]] = {}

    def __enter__(self) -> Ready:
        return self

    def __exit__(self, *_: object) -> None:
        self.arrays.clear()

    def look(self, control: Control, *splits: str) -> None:
        """There is nothing to be read."""

    def make(self, grant: Grant, ahead: Iterable[Grant], control: Control) -> Made:
        began = time.monotonic()
        control.pause()
        until = began + WAIT * len(grant.records)
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, PAUSE_SECONDS))
            control.pause()
        rows = len(grant.records) * self.patches[grant.split]
        if rows not in self.arrays:
            self.arrays[rows] = noise(self.specs, rows)
        return Made(self.specs, self.arrays[rows], [], Stages(transform=time.monotonic() - began))


class ReadyWorker(worker.Worker):
    """The real worker on a data set that needs no disk."""

    def _open(self, trainer: Any, welcome: Any) -> Any:
        return tasks.create(welcome.task, welcome.params), data_set()


class ReadyStream(Stream):
    """A trainer's stream over `data_set()`."""

    def _own_data(self, needed: bool) -> DataSet | None:
        return data_set()


def child(module: str, *words: str) -> subprocess.Popen[bytes]:
    """`python -m MODULE WORDS`, which ends with this process at the latest."""
    env = {**os.environ, PARENT: str(os.getpid())}
    return subprocess.Popen([sys.executable, "-m", module, *words], env=env)


def ready_peers(port: int, count: int, seconds: float = 0.0) -> list[subprocess.Popen[bytes]]:
    address = f"tcp://127.0.0.1:{port}"
    return [child("bench._ready", address, str(seconds)) for _ in range(count)]


def end(children: Iterable[subprocess.Popen[bytes]]) -> None:
    for process in children:
        process.kill()
        process.wait()


if __name__ == "__main__":
    ADDRESS, WAIT = sys.argv[1], float(sys.argv[2]) if sys.argv[2:] else 0.0
    die_with_parent()
    worker.Maker = Ready  # type: ignore[misc,assignment]
    try:
        ReadyWorker({parse(ADDRESS): None}, Path()).run()
    except PushFitError as error:
        sys.exit(str(error))
