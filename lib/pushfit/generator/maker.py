"""Makes the arrays of a lease: read and decode each record, and draw K samples for each visit.

A record that does not decode is **bad**: its visit is drawn from a substitute, which is the next
record of the same class (cyclically) that works. The substitute depends only on the data, so it is
the same on every host, and the samples keep the visit's randomness.

If a sample cannot be drawn, the record need not be bad: the error may depend on chance, or on
another record that the task looks up. So the sample is drawn again with other randomness. If that
does not help, a substitute is used for this visit only. The record's other visits are not affected,
so that they do not depend on which visit came first.

If a sample is not what the task declares, the task is wrong: that is a TaskError, which ends the
run.

An error of the host must not make a record bad, or each host would have other substitutes. Such an
error is a read that fails or hangs (with any exception but BadRecord), a lack of memory, or an
error of the operating system (disk full, too many open files) in the task's code. The record is
then **unreadable** on this host, and another host may try.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pushfit.errors import BadRecord, ProtocolError, TaskError
from pushfit.generator.reader import Key, Reader, ReadFailed
from pushfit.generator.trouble import (
    GIVEN_UP,
    RAISED,
    Away,
    Reason,
    Unmakeable,
    Unreadable,
    judge,
    line,
)
from pushfit.generator.watchdog import named
from pushfit.plan.order import patch_draws, patch_rng, substitutes
from pushfit.tasks import checks
from pushfit.tasks.base import TEST, ArraySpec, BlockTask, DataSet, Task
from pushfit.text import one_line
from pushfit.wire.protocol import Bad, Grant, Stages

PATH_CHARS = 4000  # most that is sent; the wire takes 4096
REDRAWS = 3  # further tries of a sample over which the task raised, before a substitute is used
BLOCK = 1024  # samples that a `BlockTask` makes between two pauses: some ten milliseconds

log = logging.getLogger("pushfit.generator")


class Control:
    """The callbacks of a maker: it announces its work, and lets its caller do other things."""

    def begin(self, grant: Grant, record: int, path: str) -> None:
        """Called before the maker touches a record."""

    def pause(self) -> None:
        """Called between samples, and while the maker waits for a file."""


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
    """Makes leases of one task over one data set.

    patches: {split: samples of a visit}.
    patience: seconds that a read may take.
    reader: a reader of the same task and data, from `reading`, which the makers of successive
        sessions may share; None: the maker makes its own.
    """

    def __init__(
        self,
        task: Task,
        data: DataSet,
        links: Path,
        seed: int,
        patches: Mapping[str, int],
        patience: float = 30.0,
        reader: Reader | None = None,
    ) -> None:
        self.task, self.data, self.links = task, data, links
        self.seed, self.patches, self.patience = seed, patches, patience
        self.specs = task.arrays()
        labelled = TEST not in data.splits
        self._samples = checks.Samples(task, self.specs, len(data.classes) if labelled else 0)
        self._reader = reader or reading(task, data, links)
        self._owned = reader is None
        self._bad: dict[Key, Reason] = {}  # records known to be bad, and why
        counts = data.counts()
        self._firsts = {
            split: np.concatenate([[0], np.cumsum(each)]).tolist() for split, each in counts.items()
        }

    def __enter__(self) -> Maker:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.keep(set())
        if self._owned:
            self._reader.close()

    def make(self, grant: Grant, ahead: Iterable[Grant], control: Control) -> Made:
        """Make the lease of `grant`, which `check` has passed; start to read the files of `ahead`.

        Raises Unreadable, Away, Unmakeable or TaskError, and whatever `control` raises.
        """
        patches = self.patches[grant.split]
        rows = len(grant.records) * patches
        try:
            arrays = [np.empty((rows, *spec.shape), spec.dtype) for spec in self.specs]
        except (MemoryError, ValueError) as error:  # ValueError: larger than the address space
            raise Unmakeable(
                f"{rows:,} samples of {sum(spec.nbytes for spec in self.specs):,} bytes each do "
                f"not fit into the memory of this host: {line(str(error))}"
            ) from error
        bad: list[Bad] = []
        spent = _Spent()
        if self._blocks(grant, arrays, spent, control):
            return Made(self.specs, arrays, bad, Stages(transform=spent.transform))
        upcoming = [(g, record) for g in (grant, *ahead) for record in g.records]
        self._reader.keep({(g.split, record) for g, record in upcoming})
        for offset, number in enumerate(grant.records):
            for g, record in upcoming[offset : offset + 1 + self._reader.ahead]:
                if record not in g.bad and (g.split, record) not in self._bad:
                    self._reader.start((g.split, record))
            row = offset * patches
            into = [array[row : row + patches] for array in arrays]
            visit = grant.first + offset
            if one := self._visit(grant, visit, number, into, spent, control):
                bad.append(one)
        stages = Stages(spent.read, spent.decode, spent.transform, spent.wait)
        return Made(self.specs, arrays, bad, stages)

    def check(self, grant: Grant) -> None:
        """Raise ProtocolError if `grant` does not fit this data set."""
        split, last = grant.split, max(grant.records)
        count = len(self.data.splits.get(split, ()))
        if split not in self.patches or last >= count:
            raise ProtocolError(
                f"lease {grant.lease} has record {last} of the split {one_line(split[:40])}, but "
                f"that split has {count:,} records in the data set here"
            )

    def look(self, control: Control, *splits: str) -> None:
        """Raise Away if nothing can be read of one of `splits`; also raises what `control` does."""

        def read(split: str, number: int) -> BaseException | None:
            try:
                self._reader.take((split, number), self.patience, control.pause)
            except ReadFailed as failed:
                return failed.error
            return None

        if failed := checks.unread(self.data, splits, read):
            raise Away(*failed)

    def _blocks(
        self, grant: Grant, arrays: list[np.ndarray], spent: _Spent, control: Control
    ) -> bool:
        """Fill `arrays` block by block. Returns False if the lease must be made visit by visit."""
        split, patches = grant.split, self.patches[grant.split]
        if not isinstance(self.task, BlockTask) or grant.careful or grant.bad:
            return False
        if self._bad and any((split, number) in self._bad for number in grant.records):
            return False
        started = time.perf_counter()
        known = self.data.splits[split]
        records = np.repeat(np.array(grant.records, np.int64), patches)
        visits = grant.first + np.arange(len(records)) // patches
        numbers = np.arange(len(records)) % patches
        versions = self.task.versions(split)
        for start in range(0, len(records), BLOCK):
            rows = slice(start, start + BLOCK)
            several = records[rows].tolist()
            first = known[several[0]].path
            control.begin(grant, several[0], _block_of(first, len(set(several)) - 1))
            control.pause()
            shared = numbers[rows] // versions * versions
            draws = patch_draws(self.seed, split, grant.epoch, visits[rows], records[rows], shared)
            try:
                making = partial(self.task.block, self.links, split)
                made = named(first, partial(making, records[rows], numbers[rows], draws))
                values = self._samples.check(made, "block", first, (len(records[rows]),))
                for value, array in zip(values, arrays, strict=True):
                    array[rows] = value
            except TaskError:
                raise
            except RAISED as error:
                log.warning(
                    "lease %d is made visit by visit, as block() raised: %s",
                    grant.lease,
                    line(repr(error)),
                )
                return False
        spent.transform += time.perf_counter() - started
        return True

    def _visit(
        self,
        grant: Grant,
        visit: int,
        number: int,
        into: list[np.ndarray],
        spent: _Spent,
        control: Control,
    ) -> Bad | None:
        """Fill `into` from record `number`, or its substitute. Returns why it is bad, if it is."""
        first_reason: Reason | None = None
        records = self.data.splits[grant.split]
        versions = self.task.versions(grant.split)
        stream = partial(patch_rng, self.seed, grant.split, grant.epoch, visit, number)

        def rng(patch: int, attempt: int) -> np.random.Generator:
            return stream(patch // versions * versions, attempt)

        for candidate in substitutes(self._firsts[grant.split], number):
            key = grant.split, candidate
            reason = GIVEN_UP if candidate in grant.bad else self._bad.get(key)
            if reason is None:
                control.begin(grant, candidate, records[candidate].path)
                try:
                    draw = partial(self._draw, key, rng, into, spent, control)
                    redrawn, why = named(records[candidate].path, draw)
                except _Undrawn as undrawn:
                    reason = undrawn.reason
                    if undrawn.always:
                        self._bad[key] = reason
                else:
                    where = visit, number, records[number].path
                    if first_reason:
                        return Bad(*where, *first_reason, instead=records[candidate].path)
                    return Bad(*where, *why, redrawn=redrawn) if redrawn else None
            first_reason = first_reason or reason
        record = records[number]
        raise Unmakeable(
            f"every record of class {self.data.classes[record.label]} in {grant.split} is bad, or "
            f"the task raises over it; {record.path} because: "
            f"{first_reason.text if first_reason else 'it is empty'}"
        )

    def _draw(
        self,
        key: Key,
        rng: Callable[[int, int], np.random.Generator],
        into: list[np.ndarray],
        spent: _Spent,
        control: Control,
    ) -> tuple[int, Reason]:
        """Draw a visit's samples from record `key`.

        rng: (number of the sample, number of earlier tries) → its random generator.
        Returns (number of samples that had to be drawn again, the reason for the first of them).
        Raises _Undrawn for any exception of a file or of user code, so that the process survives.
        """
        split, number = key
        record = self.data.splits[split][number]
        started = time.perf_counter()
        try:
            data, seconds = self._reader.take(key, self.patience, control.pause)
        except ReadFailed as failed:
            if isinstance(failed.error, BadRecord):
                raise _Undrawn(judge(failed.error, number, record), always=True) from failed
            self.look(control, split)
            raise Unreadable(number, record.path, failed.error) from failed
        fetched = time.perf_counter()
        spent.wait += fetched - started
        spent.read += seconds
        try:
            firsts = (rng(patch, 0) for patch in range(self.patches[split]))
            item = self.task.decode_for(data, record, split, firsts)
        except RAISED as error:
            raise _Undrawn(judge(error, number, record), always=True) from error
        finally:
            decoded = time.perf_counter()
            spent.decode += decoded - fetched
        redrawn, why = 0, Reason("")
        for patch in range(self.patches[split]):
            control.pause()
            try:
                sample = self.task.sample(item, record, split, patch, rng(patch, 0))
            except RAISED as error:
                reason = judge(error, number, record)
                sample = self._redraw(data, key, patch, rng, reason)
                redrawn, why = redrawn + 1, why if redrawn else reason
            values = self._samples.check(sample, "sample", record.path)
            for rows, value in zip(into, values, strict=True):
                rows[patch] = value
        spent.transform += time.perf_counter() - decoded
        return redrawn, why

    def _redraw(
        self,
        data: Any,
        key: Key,
        patch: int,
        rng: Callable[[int, int], np.random.Generator],
        reason: Reason,
    ) -> Mapping[str, Any]:
        """Sample `patch` with other randomness, after its first try failed for `reason`."""
        split, number = key
        record = self.data.splits[split][number]
        try:  # decode all of it: `decode_for` may have decoded only what the first try needed
            item = self.task.decode(data, record)
        except RAISED as error:
            raise _Undrawn(judge(error, number, record), always=True) from error
        for attempt in range(1, REDRAWS + 1):
            try:
                return self.task.sample(item, record, split, patch, rng(patch, attempt))
            except RAISED as error:
                judge(error, number, record)
        raise _Undrawn(reason, always=False)


def _block_of(path: str, others: int) -> str:
    """The name of a block by its first record: only the task knows at which record it is."""
    return f"{path[:PATH_CHARS]} and {others:,} more in one block" if others else path


def reading(task: Task, data: DataSet, links: Path) -> Reader:
    """A reader of the records of `data`, with its own threads."""
    return Reader(lambda key: task.read(links, data.splits[key[0]][key[1]]), task.read_threads)


class _Undrawn(Exception):
    """A visit's samples cannot be drawn from a record. always: this is so for every visit."""

    def __init__(self, reason: Reason, *, always: bool) -> None:
        self.reason, self.always = reason, always
