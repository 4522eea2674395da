"""From a grant to the arrays of a lease: read, decode, draw K samples a visit.

A record that does not decode, or on which the task's own code raises, is **bad**: its visit is
drawn from the next record of the same class (cyclically) that works. Which one that is depends on
the data alone, so every host substitutes the same, and the samples keep the visit's randomness.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lib.errors import BadRecord
from lib.plan.order import patch_rng
from lib.tasks.base import ArraySpec, DataSet, Record, Task
from lib.wire.protocol import Bad, Grant, Stages

READ_AHEAD = 2  # files read on a thread while one is decoded
GIVEN_UP = "could not be read on any of three tries"


class Unreadable(Exception):
    """A record could not be read here; another host may be able to."""

    def __init__(self, record: int, path: str, error: OSError) -> None:
        super().__init__(f"{path}: {os.strerror(error.errno) if error.errno else error}")
        self.record, self.path = record, path


class Unmakeable(Exception):
    """Nothing can make this lease: every record of a class is bad."""


class Made(msgspec.Struct, frozen=True):
    """A finished lease: arrays of (visits·K, *shape) each, in the order of `specs`."""

    specs: tuple[ArraySpec, ...]
    arrays: list[np.ndarray]
    bad: list[Bad]
    stages: Stages


class _Spent(msgspec.Struct):
    """Seconds by stage, summed over a lease."""

    read: float = 0.0
    decode: float = 0.0
    transform: float = 0.0
    wait: float = 0.0


class Maker:
    """Makes leases of one task over one data set. A context manager: it owns a reading thread."""

    def __init__(
        self, task: Task, data: DataSet, links: Path, seed: int, patches: Mapping[str, int]
    ) -> None:
        self.task, self.data, self.links = task, data, links
        self.seed, self.patches = seed, patches
        self.specs = task.arrays()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader")
        self._reads: dict[tuple[str, int], Future[tuple[bytes, float]]] = {}
        self._bad: dict[tuple[str, int], str] = {}  # records known to be bad, and why
        counts = data.counts()
        self._first = {
            split: np.concatenate([[0], np.cumsum(each)]).tolist() for split, each in counts.items()
        }

    def __enter__(self) -> Maker:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def make(self, grant: Grant, ahead: Iterable[Grant], pause: Callable[[str], None]) -> Made:
        """Make `grant`, reading on into the grants `ahead`; `pause` is called between patches.

        Raises Unreadable or Unmakeable; whatever `pause` raises passes through.
        """
        patches = self.patches[grant.split]
        rows = len(grant.records) * patches
        arrays = [np.empty((rows, *spec.shape), spec.dtype) for spec in self.specs]
        bad: list[Bad] = []
        spent = _Spent()
        upcoming = [(g.split, r) for g in (grant, *ahead) for r in g.records]
        for offset, number in enumerate(grant.records):
            for split, record in upcoming[offset : offset + 1 + READ_AHEAD]:
                self._start_reading(split, record)
            row = offset * patches
            into = [array[row : row + patches] for array in arrays]
            visit = grant.first + offset
            if reason := self._visit(grant, visit, number, into, spent, pause):
                path = self.data.splits[grant.split][number].path
                bad.append(Bad(visit, number, path, reason[:4000]))
        stages = Stages(spent.read, spent.decode, spent.transform, spent.wait)
        return Made(self.specs, arrays, bad, stages)

    def _visit(
        self,
        grant: Grant,
        visit: int,
        number: int,
        into: list[np.ndarray],
        spent: _Spent,
        pause: Callable[[str], None],
    ) -> str:
        """Fill `into` from record `number`, or its substitute. Returns why it is bad, or ""."""
        first_reason = ""
        for candidate in self._candidates(grant.split, number):
            key = grant.split, candidate
            reason = GIVEN_UP if candidate in grant.bad else self._bad.get(key)
            if reason is None:
                rngs = (
                    patch_rng(self.seed, grant.split, grant.epoch, visit, number, patch)
                    for patch in range(len(into[0]))
                )
                reason = self._draw(grant.split, candidate, rngs, into, spent, pause)
                if not reason:
                    return first_reason
                self._bad[key] = reason
            first_reason = first_reason or reason
        label = self.data.splits[grant.split][number].label
        raise Unmakeable(
            f"every record of class {self.data.classes[label]} in {grant.split} is bad; "
            f"the first one tried because: {first_reason}"
        )

    def _draw(
        self,
        split: str,
        number: int,
        rngs: Iterable[np.random.Generator],
        into: list[np.ndarray],
        spent: _Spent,
        pause: Callable[[str], None],
    ) -> str:
        """Draw a visit's samples from record `number`. Returns why it is bad, or ""."""
        record = self.data.splits[split][number]
        data = self._bytes(split, number, spent)
        started = time.perf_counter()
        try:
            item = self.task.decode(data, record)
        except Exception as error:  # whatever a file or a user's code does, the worker lives on
            return _reason(error)
        finally:
            decoded = time.perf_counter()
            spent.decode += decoded - started
        for patch, rng in enumerate(rngs):
            pause(record.path)
            try:
                self._store(self.task.sample(item, record, split, patch, rng), patch, into)
            except Exception as error:
                return _reason(error)
        spent.transform += time.perf_counter() - decoded
        return ""

    def _candidates(self, split: str, number: int) -> Iterator[int]:
        """`number`, then the other records of its class, cyclically."""
        label = self.data.splits[split][number].label
        low, high = self._first[split][label], self._first[split][label + 1]
        yield from range(number, high)
        yield from range(low, number)

    def _start_reading(self, split: str, number: int) -> None:
        if (split, number) not in self._reads and (split, number) not in self._bad:
            record = self.data.splits[split][number]
            self._reads[split, number] = self._pool.submit(self._read, record)

    def _read(self, record: Record) -> tuple[bytes, float]:
        started = time.perf_counter()
        return self.task.read(self.links, record), time.perf_counter() - started

    def _bytes(self, split: str, number: int, spent: _Spent) -> bytes:
        self._start_reading(split, number)
        started = time.perf_counter()
        try:
            data, seconds = self._reads.pop((split, number)).result()
        except OSError as error:
            path = self.data.splits[split][number].path
            raise Unreadable(number, path, error) from error
        spent.wait += time.perf_counter() - started
        spent.read += seconds
        return data

    def _store(self, sample: Mapping[str, Any], patch: int, into: list[np.ndarray]) -> None:
        for spec, rows in zip(self.specs, into, strict=True):
            try:
                value = sample[spec.name]
            except KeyError:
                raise ValueError(f"sample() returned no {spec.name!r}") from None
            if isinstance(value, np.ndarray) and (
                value.dtype != rows.dtype or value.shape != spec.shape
            ):
                raise ValueError(
                    f"sample() returned {spec.name!r} as {value.dtype}{list(value.shape)}, "
                    f"not {spec.dtype}{list(spec.shape)}"
                )
            rows[patch] = value


def _reason(error: Exception) -> str:
    """A bad record's own words; for an error in the task's code, where it was raised as well."""
    if isinstance(error, BadRecord):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"
    return f"{type(error).__name__}: {error} ({where})"
