"""From a grant to the arrays of a lease: read, decode, draw K samples a visit.

A record that does not decode, or on which the task's own code raises, is **bad**: its visit is
drawn from the next record of the same class (cyclically) that works. Which one that is depends on
the data alone, so every host substitutes the same, and the samples keep the visit's randomness.
A sample that is not what the task declares is no record's fault: a TaskError, which ends the run.

What the host lacks is not the record's fault, or each host would have substitutes of its own: a
read that fails or hangs, memory that runs out, an error of the operating system (disk full, too
many open files) in the task's code. All that is **unreadable** here, and another host may try.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from lib.errors import BadRecord, TaskError, raised
from lib.generator.reader import Key, Reader, ReadFailed
from lib.plan.order import patch_draws, patch_rng, substitutes
from lib.tasks import checks
from lib.tasks.base import TEST, ArraySpec, BlockTask, DataSet, Record, Task
from lib.wire.protocol import Bad, Grant, Stages

READ_AHEAD = 2  # files read on a thread while one is decoded
REASON_CHARS, TRACEBACK_CHARS = 1000, 4000  # kept of each; the wire takes 4096
BLOCK = 1024  # samples that a `BlockTask` makes between two pauses: some ten milliseconds

log = logging.getLogger("pushfit.generator")


class Reason(NamedTuple):
    """Why a record is bad, in one line; where code raised, its traceback."""

    text: str
    traceback: str = ""


GIVEN_UP = Reason("given up earlier in this run: the trainer said why, see OUT/quarantine.jsonl")


class Control:
    """What a maker tells of its work, and where it lets others have their turn."""

    def begin(self, grant: Grant, record: int, path: str) -> None:
        """Called before it touches a record."""

    def pause(self) -> None:
        """Called between patches, and while it waits for a file."""


class Unreadable(Exception):
    """A record cannot be had on this host; another host may have it."""

    def __init__(self, record: int, path: str, error: BaseException) -> None:
        super().__init__(f"{path}: {_trouble(error)}")
        self.record, self.path = record, path


class Away(Exception):
    """No record can be read here: a share, a disk or a mount is away. None of them is to blame.

    `path` is one that was tried.
    """

    def __init__(self, path: str, error: BaseException) -> None:
        super().__init__(f"{path}: {_trouble(error)}")


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
    """Makes leases of one task over one data set. A context manager: it owns reading threads.

    patience: seconds that a read may take.
    """

    def __init__(
        self,
        task: Task,
        data: DataSet,
        links: Path,
        seed: int,
        patches: Mapping[str, int],
        patience: float = 30.0,
    ) -> None:
        self.task, self.data, self.links = task, data, links
        self.seed, self.patches, self.patience = seed, patches, patience
        self.specs = task.arrays()
        labelled = TEST not in data.splits
        self._samples = checks.Samples(task, self.specs, len(data.classes) if labelled else 0)
        self._reader = Reader(lambda key: task.read(links, data.splits[key[0]][key[1]]))
        self._bad: dict[Key, Reason] = {}  # records known to be bad, and why
        counts = data.counts()
        self._firsts = {
            split: np.concatenate([[0], np.cumsum(each)]).tolist() for split, each in counts.items()
        }

    def __enter__(self) -> Maker:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def make(self, grant: Grant, ahead: Iterable[Grant], control: Control) -> Made:
        """Make `grant`, reading on into the grants `ahead`.

        Raises Unreadable, Away, Unmakeable or TaskError; whatever `control` raises passes through.
        """
        patches = self.patches[grant.split]
        rows = len(grant.records) * patches
        arrays = [np.empty((rows, *spec.shape), spec.dtype) for spec in self.specs]
        bad: list[Bad] = []
        spent = _Spent()
        if self._blocks(grant, arrays, spent, control):
            return Made(self.specs, arrays, bad, Stages(transform=spent.transform))
        upcoming = [(g, record) for g in (grant, *ahead) for record in g.records]
        self._reader.keep({(g.split, record) for g, record in upcoming})
        for offset, number in enumerate(grant.records):
            for g, record in upcoming[offset : offset + 1 + READ_AHEAD]:
                if record not in g.bad and (g.split, record) not in self._bad:
                    self._reader.start((g.split, record))
            row = offset * patches
            into = [array[row : row + patches] for array in arrays]
            visit = grant.first + offset
            if one := self._visit(grant, visit, number, into, spent, control):
                bad.append(one)
        stages = Stages(spent.read, spent.decode, spent.transform, spent.wait)
        return Made(self.specs, arrays, bad, stages)

    def look(self, control: Control, *splits: str) -> None:
        """Raises Away where of one of `splits` nothing can be read; and what `control` raises."""

        def read(split: str, number: int) -> None:
            try:
                self._reader.take((split, number), self.patience, control.pause)
            except ReadFailed as failed:
                if isinstance(failed.error, OSError):  # else it is told where a sample is made
                    raise failed.error from failed

        if failed := checks.unread(self.data, splits, read):
            raise Away(*failed)

    def _blocks(
        self, grant: Grant, arrays: list[np.ndarray], spent: _Spent, control: Control
    ) -> bool:
        """Fill `arrays` block by block. False where the lease must be made visit by visit."""
        split, patches = grant.split, self.patches[grant.split]
        if not isinstance(self.task, BlockTask) or grant.careful or grant.bad:
            return False
        if self._bad and any((split, number) in self._bad for number in grant.records):
            return False
        started = time.perf_counter()
        first = self.data.splits[split][grant.records[0]].path
        control.begin(grant, grant.records[0], first)
        records = np.repeat(np.array(grant.records, np.int64), patches)
        visits = grant.first + np.arange(len(records)) // patches
        numbers = np.arange(len(records)) % patches
        for start in range(0, len(records), BLOCK):
            control.pause()
            rows = slice(start, start + BLOCK)
            draws = patch_draws(
                self.seed, split, grant.epoch, visits[rows], records[rows], numbers[rows]
            )
            try:
                made = self.task.block(self.links, split, records[rows], numbers[rows], draws)
                values = self._samples.check(made, "block", first, (len(records[rows]),))
                for value, array in zip(values, arrays, strict=True):
                    array[rows] = value
            except TaskError:
                raise
            except _RAISED as error:
                log.warning("lease %d, visit by visit: %s", grant.lease, _line(repr(error)))
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
        rngs = partial(self._rngs, grant, visit, number)
        for candidate in substitutes(self._firsts[grant.split], number):
            key = grant.split, candidate
            reason = GIVEN_UP if candidate in grant.bad else self._bad.get(key)
            if reason is None:
                control.begin(grant, candidate, records[candidate].path)
                reason = self._draw(key, rngs, into, spent, control)
                if reason is None:
                    if first_reason is None:
                        return None
                    instead = records[candidate].path
                    return Bad(visit, number, records[number].path, *first_reason, instead=instead)
                self._bad[key] = reason
            first_reason = first_reason or reason
        record = records[number]
        raise Unmakeable(
            f"every record of class {self.data.classes[record.label]} in {grant.split} is bad; "
            f"{record.path} because: {first_reason.text if first_reason else 'it is empty'}"
        )

    def _rngs(self, grant: Grant, visit: int, number: int) -> Iterator[np.random.Generator]:
        """The randomness of each sample of a visit to record `number`."""
        for patch in range(self.patches[grant.split]):
            yield patch_rng(self.seed, grant.split, grant.epoch, visit, number, patch)

    def _draw(
        self,
        key: Key,
        rngs: Callable[[], Iterator[np.random.Generator]],
        into: list[np.ndarray],
        spent: _Spent,
        control: Control,
    ) -> Reason | None:
        """Draw a visit's samples from record `key`. Returns why it is bad, if it is.

        rngs: gives the randomness of each sample, from its beginning, every time it is called.
        Whatever a file or a user's code raises, the worker lives on.
        """
        split, number = key
        record = self.data.splits[split][number]
        started = time.perf_counter()
        try:
            data, seconds = self._reader.take(key, self.patience, control.pause)
        except ReadFailed as failed:
            if isinstance(failed.error, OSError):
                self.look(control, split)
                raise Unreadable(number, record.path, failed.error) from failed
            return _judge(failed.error, number, record)
        fetched = time.perf_counter()
        spent.wait += fetched - started
        spent.read += seconds
        try:
            item = self.task.decode_for(data, record, split, rngs())
        except _RAISED as error:
            return _judge(error, number, record)
        finally:
            decoded = time.perf_counter()
            spent.decode += decoded - fetched
        for patch, rng in enumerate(rngs()):
            control.pause()
            try:
                sample = self.task.sample(item, record, split, patch, rng)
            except _RAISED as error:
                return _judge(error, number, record)
            values = self._samples.check(sample, "sample", record.path)
            for rows, value in zip(into, values, strict=True):
                rows[patch] = value
        spent.transform += time.perf_counter() - decoded
        return None


_RAISED = (Exception, SystemExit)  # what code of a user's may raise, and its worker lives on


def _judge(error: BaseException, number: int, record: Record) -> Reason:
    """Why `record` is bad. Raises Unreadable where its host is to blame.

    An OSError without a number is none of the system's: Pillow raises them for damaged files.
    """
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None):
        raise Unreadable(number, record.path, error) from error
    if isinstance(error, BadRecord):
        return Reason(_line(str(error)))
    whole = "".join(traceback.format_exception(error))
    return Reason(_line(raised(error)), _sendable(whole)[-TRACEBACK_CHARS:])


def _line(text: str) -> str:
    return " ".join(_sendable(text).split())[:REASON_CHARS]


def _sendable(text: str) -> str:
    """`text` without what UTF-8 cannot hold: names of files may be any bytes."""
    return text.encode("utf-8", "replace").decode()


def _trouble(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return _line(f"not enough memory here: {error}").removesuffix(":")
    return _line((error.strerror if isinstance(error, OSError) else None) or str(error))
