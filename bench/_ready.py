"""A generator whose samples are ready-made: the real `Worker`, with a maker that draws nothing.

    python -m bench._ready ADDRESS [SECONDS-A-VISIT]

It serves any task that draws pictures: noise that is made once, sent without a copy. With
SECONDS-A-VISIT it waits that long for each visit, and so plays a core on another host.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np

from bench._apart import child, end
from pushfit import tasks
from pushfit.endpoint import parse
from pushfit.errors import PushFitError
from pushfit.fleet.local import die_with_parent
from pushfit.generator import worker
from pushfit.generator.control import Control
from pushfit.generator.maker import Made
from pushfit.generator.session import Session
from pushfit.generator.shared_scan import Scan
from pushfit.generator.trainer_link import TrainerLink
from pushfit.settings.stream import StreamSettings
from pushfit.streams.live import LiveStream
from pushfit.streams.purpose import for_training, task_of
from pushfit.tasks.base import ArraySpec, DataSet, Record, Task
from pushfit.wire.keys import GeneratorKey
from pushfit.wire.protocol import Grant, Stages, Welcome

RECORDS = 1000
CLASSES = ("even", "odd")
STAND_IN = "digits"  # a trainer compares the source of a task, and samples that are ready have none
PAUSE_SECONDS = 0.05  # between two looks at the control connection while it waits


def data_set(records: int = RECORDS, classes: tuple[str, ...] = CLASSES) -> DataSet:
    """Records that lie nowhere, as many of each class."""
    each = -(-records // len(classes))
    return DataSet(classes, {"train": tuple(Record(f"{n}", 0, n // each) for n in range(records))})


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
    """Stands in for `Maker`: a subclass says what `rows` samples are, which are made once.

    They are sent without a copy, and every lease of a size is the same arrays.
    """

    def __init__(
        self, task: Any, data: Any, links: Any, seed: int, patches: Any, *more: Any, **others: Any
    ) -> None:  # fmt: skip
        self.task, self.patches = task, patches
        self._kept: dict[int, list[np.ndarray]] = {}

    def __enter__(self) -> Ready:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def look(self, control: Control, *splits: str) -> None:
        """There is nothing to be read."""

    def check(self, grant: Grant) -> None:
        """Every grant can be made."""

    def specs(self) -> tuple[ArraySpec, ...]:
        return tuple(self.task.arrays())

    def drawn(self, rows: int) -> list[np.ndarray]:
        """Noise, as the task's arrays are."""
        return noise(self.specs(), rows)

    def arrays(self, grant: Grant, rows: int) -> list[np.ndarray]:
        """The samples of a lease."""
        if rows not in self._kept:
            self._kept[rows] = self.drawn(rows)
        return self._kept[rows]

    def make(self, grant: Grant, ahead: Iterable[Grant], control: Control) -> Made:
        control.pause()
        arrays = self.arrays(grant, len(grant.records) * self.patches[grant.split])
        return Made(self.specs(), arrays, [], Stages())


def work(
    maker: type[Ready], data: DataSet, address: str, key: GeneratorKey | None = None,
    task: Callable[[Welcome], Task] = lambda welcome: tasks.create(STAND_IN, {}),
) -> None:  # fmt: skip
    """Work for the trainer at `address` until it says that the run is over.

    It is the real `Worker`, with `maker` in the place of its own, on a data set that needs no disk.
    """

    class ReadyWorker(worker.Worker):
        def _open(self, link: TrainerLink, welcome: Welcome, session: Session) -> worker.Scanned:
            scan = Scan(welcome.run, welcome.fingerprint, data)
            return worker.Scanned((), task(welcome), scan, cast(Any, None))

    worker.Maker = maker  # type: ignore[attr-defined, assignment]
    try:
        ReadyWorker({parse(address): key}, Path()).run()
    except PushFitError as error:
        sys.exit(str(error))


class Waiting(Ready):
    """Waits before it hands over a lease."""

    wait = 0.0  # seconds a visit

    def make(self, grant: Grant, ahead: Iterable[Grant], control: Control) -> Made:
        began = time.monotonic()
        until = began + self.wait * len(grant.records)
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, PAUSE_SECONDS))
            control.pause()
        made = super().make(grant, ahead, control)
        return msgspec.structs.replace(made, stages=Stages(transform=time.monotonic() - began))


def ready_stream(settings: StreamSettings, params: msgspec.Struct) -> LiveStream:
    """A trainer's stream over `data_set()`."""
    task = task_of(settings, params)
    purpose = for_training(settings, task, needs_data=True)
    ready = msgspec.structs.replace(purpose, scan=lambda splits: data_set())
    return LiveStream(settings, task, ready)


@contextmanager
def fleet(
    settings: StreamSettings, params: msgspec.Struct, count: int, wait: float = 0.0
) -> Iterator[LiveStream]:
    """A trainer's stream over `data_set()`, with `count` generators. wait: seconds a visit."""
    peers: list[subprocess.Popen[Any]] = []
    try:
        with ready_stream(settings, params) as stream:
            words = ("-m", "bench._ready", f"tcp://127.0.0.1:{stream.port}", wait)
            peers += [child(*words) for _ in range(count)]
            yield stream
    finally:  # they heard that the run is over when the stream closed
        end(peers)


if __name__ == "__main__":
    die_with_parent()
    Waiting.wait = float(sys.argv[2]) if sys.argv[2:] else 0.0
    create = lambda welcome: tasks.create(welcome.task, welcome.params)  # noqa: E731
    work(Waiting, data_set(), sys.argv[1], task=create)
