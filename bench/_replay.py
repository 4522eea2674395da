"""One measurement of reading a stored stream of noise, in a process of its own.

    python -m bench._replay SIDE KIND FOLDER SECONDS

    plain     every file from beginning to end, a megabyte at a time into one buffer, as dd does
    filling   the same, but a batch at a time into two batches in turn, which somebody could use
    feed      StoredStream ─▶ Feed: order, mixing, batches, audit; each batch is let go at once
    again     the same, of an epoch that comes a second time, in another order

Prints bytes a second of the wall clock and CPU seconds a GB, of whole passes from their first batch
on. Where SECONDS is 0 it is one pass, and the kernel is told to forget the files before: by
`posix_fadvise`, which needs no root and leaves other files alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench._apart import tell
from bench._flow import per
from bench._replay_store import KINDS
from pushfit import tasks
from pushfit.settings.programs.train import TrainSettings
from pushfit.store import layout
from pushfit.streams.purpose import task_of
from pushfit.streams.stored import StoredStream

BLOCK = 2**20  # bytes of a `read`
GB = 1e9


def plain(folder: Path, block: int = BLOCK, buffers: int = 1) -> Iterator[int]:
    """Bytes, as they are read."""
    into, turn = [bytearray(block) for _ in range(buffers)], 0
    for path in layout.shard_paths(folder):
        with path.open("rb", buffering=0) as file:
            while read := file.readinto(into[turn % buffers]):
                turn += 1
                yield read


def filling(folder: Path, kind: str) -> Iterator[int]:
    batch = KINDS[kind][3] * layout.read(folder).sample_bytes
    return plain(folder, batch, 2)


def feed(folder: Path, kind: str, epoch: int = 0) -> Iterator[int]:
    """Bytes of the batches of `epoch`; of those before it nothing is told."""
    task, changed, patches, batch = KINDS[kind]
    settings = TrainSettings(
        task=task,
        from_=str(folder),
        epochs=epoch + 1,
        batch_size=batch,
        patches_per_visit=patches,
    )
    with StoredStream(settings, task_of(settings, tasks.load(task).Params(**changed))) as stream:
        for each in stream.feed.all():
            if each.segment.epoch == epoch:
                yield sum(array.nbytes for array in each.arrays.values())


def forget(folder: Path) -> None:
    """Drop what the kernel keeps of the files."""
    for path in layout.shard_paths(folder):
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def measured(once: Callable[[], Iterator[int]], seconds: float) -> dict[str, float]:
    """Over whole passes, until `seconds` have gone by."""
    nbytes, spent, used = 0, 0.0, 0.0
    while spent < seconds:
        one = once()
        next(one)
        began, cpu = time.perf_counter(), time.process_time()
        nbytes += sum(one)
        spent += time.perf_counter() - began
        used += time.process_time() - cpu
    return {
        "gb_s": per(nbytes, spent, "seconds") / GB,
        "cpu_s_per_gb": per(used, nbytes / GB, "bytes"),
    }


def measure(side: str, kind: str, folder: Path, seconds: float) -> dict[str, float]:
    sides: dict[str, Callable[[], Iterator[int]]] = {
        "plain": lambda: plain(folder),
        "filling": lambda: filling(folder, kind),
        "feed": lambda: feed(folder, kind),
        "again": lambda: feed(folder, kind, 1),
    }
    if seconds:
        sum(plain(folder))  # into the page cache
    else:
        forget(folder)
    return measured(sides[side], seconds or 1e-9)


if __name__ == "__main__":
    tell(measure)
