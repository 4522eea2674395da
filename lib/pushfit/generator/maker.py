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
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pushfit.errors import ProtocolError, TaskError
from pushfit.generator.control import Control
from pushfit.generator.partners import Partners, Upcoming
from pushfit.generator.reader import Key, Reader
from pushfit.generator.records import Records, Spent, Undrawn, reading
from pushfit.generator.trouble import RAISED, Reason, Unmakeable, judge, line
from pushfit.generator.watchdog import named
from pushfit.plan.order import patch_draws, patch_rng
from pushfit.plan.shards import WHOLE, Shards
from pushfit.tasks.base import TEST, ArraySpec, BlockTask, DataSet, Decoded, Record, Task
from pushfit.tasks.sample_check import Samples
from pushfit.text import one_line
from pushfit.wire.protocol import Bad, Grant, Stages

PATH_CHARS = 4000  # most that is sent; the wire takes 4096
REDRAWS = 3  # further tries of a sample over which the task raised, before a substitute is used
BLOCK = 1024  # samples that a `BlockTask` makes between two pauses: some ten milliseconds

log = logging.getLogger("pushfit.generator")


class Made(msgspec.Struct, frozen=True):
    """A finished lease: arrays of (visits·K, *shape) each, in the order of `specs`."""

    specs: tuple[ArraySpec, ...]
    arrays: list[np.ndarray]
    bad: list[Bad]
    stages: Stages


class Maker:
    """Makes leases of one task over one data set.

    patches: {split: samples of a visit}.
    patience: seconds that a read may take.
    shards: those of the trainer, whose visits are numbered without those of other trainers.
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
        shards: Shards = WHOLE,
        reader: Reader | None = None,
    ) -> None:
        self.task, self.data, self.links = task, data, links
        self.seed, self.patches, self._shards = seed, patches, shards
        self.specs = task.arrays()
        labelled = TEST not in data.splits
        self._samples = Samples(task, self.specs, len(data.classes) if labelled else 0)
        self._reader = reader or reading(task, data, links)
        self._owned = reader is None
        self._records = Records(task, data, self._reader, patience)
        self._partners = Partners(task, self._records, seed, shards)

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
        spent = Spent()
        self.task.epoch = grant.epoch
        if self._blocks(grant, arrays, spent, control):
            return Made(self.specs, arrays, bad, Stages(transform=spent.transform))
        upcoming = self._partners.upcoming((grant, *ahead))
        self.task.epoch = grant.epoch  # the leases ahead may be of the next epoch
        self._records.keep({key for visit in upcoming for key in visit.keys})
        for offset, number in enumerate(grant.records):
            self._read_ahead(upcoming, offset)
            row = offset * patches
            into = [array[row : row + patches] for array in arrays]
            found = self._visit(grant, grant.first + offset, number, into, spent, control)
            told = {one.record for one in bad if one.partner}
            bad += [one for one in found if not (one.partner and one.record in told)]
        stages = Stages(spent.read, spent.decode, spent.transform, spent.wait)
        return Made(self.specs, arrays, bad, stages)

    def _read_ahead(self, upcoming: Sequence[Upcoming], offset: int) -> None:
        """Start the reads of visit number `offset` of `upcoming`, and some of those after it."""
        left = len(upcoming[offset].keys) + self._records.ahead
        for visit in upcoming[offset : offset + left]:
            for key in visit.keys[:left]:
                self._records.start(key, visit.grant)
            left -= len(visit.keys)

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
        self._records.look(control, *splits)

    def _blocks(
        self, grant: Grant, arrays: list[np.ndarray], spent: Spent, control: Control
    ) -> bool:
        """Fill `arrays` block by block. Returns False if the lease must be made visit by visit."""
        split, patches = grant.split, self.patches[grant.split]
        if not isinstance(self.task, BlockTask) or grant.careful or grant.bad:
            return False
        known_bad = self._records.bad
        if known_bad and any((split, number) in known_bad for number in grant.records):
            return False
        started = time.perf_counter()
        known = self.data.splits[split]
        records = np.repeat(np.array(grant.records, np.int64), patches)
        visits = self._shards.visit(grant.first + np.arange(len(records)) // patches)
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
        spent: Spent,
        control: Control,
    ) -> list[Bad]:
        """Fill `into` from record `number`, or its substitute. Returns what is bad, if anything."""
        first_reason: Reason | None = None
        bad: list[Bad] = []
        records = self.data.splits[grant.split]
        versions = self.task.versions(grant.split)
        of_epoch = self._shards.visit(visit)
        stream = partial(patch_rng, self.seed, grant.split, grant.epoch, of_epoch, number)

        def rng(patch: int, attempt: int) -> np.random.Generator:
            return stream(patch // versions * versions, attempt)

        for key in self._records.substitutes((grant.split, number)):
            candidate = records[key[1]]
            reason = self._records.reason(key, grant)
            if reason is None:
                control.begin(grant, key[1], candidate.path)
                others = partial(
                    self._partners.decoded, grant, visit, number, key, bad.append, spent, control
                )
                try:
                    draw = partial(self._draw, grant, key, others, rng, into, spent, control)
                    redrawn, why = named(candidate.path, draw)
                except Undrawn as undrawn:
                    reason = undrawn.reason
                    if undrawn.always:
                        self._records.bad[key] = reason
                else:
                    where = visit, number, records[number].path
                    if first_reason:
                        bad.append(Bad(*where, *first_reason, instead=candidate.path))
                    elif redrawn:
                        bad.append(Bad(*where, *why, redrawn=redrawn))
                    return bad
            first_reason = first_reason or reason
        record = records[number]
        raise Unmakeable(
            f"every record of class {self.data.classes[record.label]} in {grant.split} is bad, or "
            f"the task raises over it; {record.path} because: "
            f"{first_reason.text if first_reason else 'it is empty'}"
        )

    def _draw(
        self,
        grant: Grant,
        key: Key,
        others: Callable[[], list[Decoded]],
        rng: Callable[[int, int], np.random.Generator],
        into: list[np.ndarray],
        spent: Spent,
        control: Control,
    ) -> tuple[int, Reason]:
        """Draw a visit's samples from record `key`.

        others: decodes the partners of the visit.
        rng: (number of the sample, number of earlier tries) → its random generator.
        Returns (number of samples that had to be drawn again, the reason for the first of them).
        Raises Undrawn for any exception of a file or of user code, so that the process survives.
        """
        split, number = key
        record = self._records.record(key)
        data = self._records.fetch(key, spent, control)

        def decode(data: Any, record: Record) -> Any:
            firsts = (rng(patch, 0) for patch in range(self.patches[split]))
            return self.task.decode_for(data, record, split, firsts)

        item = self._records.decoded(key, data, decode, spent)
        partners: list[Decoded] = []
        if self._partners.any:
            partners = others()
            item = Decoded(item, record), *partners
            control.begin(grant, number, record.path)  # if `sample` hangs, this is where
        started = time.perf_counter()
        redrawn, why = 0, Reason("")
        for patch in range(self.patches[split]):
            control.pause()
            try:
                sample = self.task.sample(item, record, split, patch, rng(patch, 0))
            except RAISED as error:
                reason = judge(error, number, record)
                sample = self._redraw(data, key, partners, patch, rng, reason)
                redrawn, why = redrawn + 1, why if redrawn else reason
            values = self._samples.check(sample, "sample", record.path)
            for rows, value in zip(into, values, strict=True):
                rows[patch] = value
        spent.transform += time.perf_counter() - started
        return redrawn, why

    def _redraw(
        self,
        data: Any,
        key: Key,
        partners: list[Decoded],
        patch: int,
        rng: Callable[[int, int], np.random.Generator],
        reason: Reason,
    ) -> Mapping[str, Any]:
        """Sample `patch` with other randomness, after its first try failed for `reason`."""
        split, number = key
        record = self._records.record(key)
        # Decode all of it: `decode_for` may have decoded only what the first try needed.
        item = self._records.decoded(key, data, self.task.decode, Spent())
        if self._partners.any:
            item = Decoded(item, record), *partners
        for attempt in range(1, REDRAWS + 1):
            try:
                return self.task.sample(item, record, split, patch, rng(patch, attempt))
            except RAISED as error:
                judge(error, number, record)
        raise Undrawn(reason, always=False)


def _block_of(path: str, others: int) -> str:
    """The name of a block by its first record: only the task knows at which record it is."""
    return f"{path[:PATH_CHARS]} and {others:,} more in one block" if others else path
