"""A light generator for benches: `raw` pushes for ever; `ours` speaks the protocol.

    python -m bench._peer raw ADDRESS BYTES SEND-BUFFER
    python -m bench._peer ours ADDRESS BYTES [KEY-FILE]

The samples are made once; `ours` is the real `Worker`, whose maker returns them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import numpy as np
import zmq

from bench._ready import Ready, data_set, work
from pushfit.fleet.local import die_with_parent
from pushfit.tasks.base import ArraySpec
from pushfit.wire.keys import GeneratorKey, read_secret

DATA = data_set(classes=("any",))


def noise(size: int) -> np.ndarray:
    """(size,) uint8, the same for all that ask; nothing can compress it."""
    return np.random.default_rng(0).integers(0, 256, size, np.uint8)


def raw(address: str, size: int, send_buffer: int) -> NoReturn:
    push = zmq.Context().socket(zmq.PUSH)
    push.set_hwm(16)
    if send_buffer:
        push.setsockopt(zmq.SNDBUF, send_buffer)
    push.connect(address)
    header, payload = bytes(200), noise(size)
    while True:
        push.send(header, zmq.SNDMORE)
        push.send(payload.data, copy=False)


class Bytes(Ready):
    """Every lease is the same noise of `size` bytes a sample."""

    size = 0

    def specs(self) -> tuple[ArraySpec, ...]:
        return (ArraySpec("image", "uint8", (self.size,)),)

    def drawn(self, rows: int) -> list[np.ndarray]:
        return [noise(rows * self.size).reshape(rows, self.size)]


if __name__ == "__main__":
    KIND, ADDRESS, SIZE, *MORE = sys.argv[1:]
    die_with_parent()
    if KIND == "raw":
        raw(ADDRESS, int(SIZE), int(MORE[0]))
    Bytes.size = int(SIZE)
    work(Bytes, DATA, ADDRESS, read_secret(Path(MORE[0]), GeneratorKey) if MORE else None)
