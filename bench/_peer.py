"""A light generator for benches: `raw` pushes for ever; `ours` speaks the protocol.

    python -m bench._peer raw ADDRESS BYTES SEND-BUFFER
    python -m bench._peer ours ADDRESS BYTES [KEY-FILE]

The samples are made once; `ours` is the real `Worker`, with a maker that returns them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from lib.errors import PushFitError
from lib.generator import worker
from lib.generator.maker import Control, Made
from lib.tasks.base import ArraySpec, DataSet, Record
from lib.wire.endpoint import parse
from lib.wire.keys import GeneratorKey, read_secret
from lib.wire.protocol import Grant, Stages


def noise(size: int) -> np.ndarray:
    """(size,) uint8, the same for all that ask; nothing can compress it."""
    return np.random.default_rng(0).integers(0, 256, size, np.uint8)


def raw(address: str, size: int, send_buffer: int) -> None:
    push = zmq.Context().socket(zmq.PUSH)
    push.set_hwm(16)
    if send_buffer:
        push.setsockopt(zmq.SNDBUF, send_buffer)
    push.connect(address)
    header, payload = bytes(200), noise(size)
    while True:
        push.send(header, zmq.SNDMORE)
        push.send(payload, copy=False)


class Ready:
    """Stands in for `Maker`: every lease is the same array, sent without a copy."""

    def __init__(
        self, task: Any, data: Any, links: Any, seed: int, patches: dict[str, int], patience: float
    ) -> None:
        self.patches = patches
        self.made: dict[int, Made] = {}

    def __enter__(self) -> Ready:
        return self

    def __exit__(self, *_: object) -> None:
        self.made.clear()

    def look(self, control: Control, *splits: str) -> None:
        """There is nothing to be read."""

    def make(self, grant: Grant, ahead: Iterable[Grant], control: Control) -> Made:
        control.pause()
        rows = len(grant.records) * self.patches[grant.split]
        if rows not in self.made:
            spec = ArraySpec("image", "uint8", (SIZE,))
            array = noise(rows * SIZE).reshape(rows, SIZE)
            self.made[rows] = Made((spec,), [array], [], Stages())
        return self.made[rows]


class ReadyWorker(worker.Worker):
    """The real worker on a data set that needs no disk."""

    def _open(self, trainer: Any, welcome: Any) -> Any:
        records = tuple(Record(f"{n}", 0, 0) for n in range(1000))
        return None, DataSet(("any",), {"train": records})


if __name__ == "__main__":
    KIND, ADDRESS, SIZE = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if KIND == "raw":
        raw(ADDRESS, SIZE, int(sys.argv[4]))
    else:
        KEY = read_secret(Path(sys.argv[4]), GeneratorKey) if sys.argv[4:] else None
        worker.Maker = Ready  # type: ignore[misc,assignment]
        try:
            ReadyWorker({parse(ADDRESS): KEY}, Path()).run()
        except PushFitError as error:
            sys.exit(str(error))
