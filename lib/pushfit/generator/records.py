"""The records of a data set as one generator meets them: read ahead, and known once they are bad.

A record that cannot be decoded is **bad**, and so it is for every visit. A record that cannot be
read is **unreadable** here, and another host may try; if nothing can be read, the data is away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pushfit.errors import BadRecord
from pushfit.generator.control import Control
from pushfit.generator.reader import Key, Reader, ReadFailed
from pushfit.generator.trouble import GIVEN_UP, RAISED, Away, Reason, Unreadable, judge
from pushfit.plan.order import substitutes
from pushfit.tasks import checks
from pushfit.tasks.base import DataSet, Record, Task
from pushfit.wire.protocol import Grant


class Spent(msgspec.Struct):
    """Seconds by stage, summed over a lease."""

    read: float = 0.0
    decode: float = 0.0
    transform: float = 0.0
    wait: float = 0.0


class Undrawn(Exception):
    """A visit's samples cannot be drawn from a record. always: this is so for every visit."""

    def __init__(self, reason: Reason, *, always: bool) -> None:
        self.reason, self.always = reason, always


class Records:
    """The records of `data`.

    reader: a reader of them, from `reading`.
    patience: seconds that a read may take.
    bad: the records that are known to be bad, and why.
    """

    def __init__(self, task: Task, data: DataSet, reader: Reader, patience: float) -> None:
        self.data, self.bad = data, dict[Key, Reason]()
        self._task, self._reader, self._patience = task, reader, patience
        self._firsts = {
            split: np.concatenate([[0], np.cumsum(each)]).tolist()
            for split, each in data.counts().items()
        }

    @property
    def ahead(self) -> int:
        """The number of reads that should be under way while one is waited for."""
        return self._reader.ahead

    def record(self, key: Key) -> Record:
        return self.data.splits[key[0]][key[1]]

    def substitutes(self, key: Key) -> Iterator[Key]:
        """`key`, then its substitutes in order: the other records of its class, cyclically."""
        split, number = key
        return ((split, each) for each in substitutes(self._firsts[split], number))

    def reason(self, key: Key, grant: Grant) -> Reason | None:
        """Why the record counts as bad in the lease of `grant`; None: it is not known to be bad."""
        return GIVEN_UP if key[1] in grant.bad else self.bad.get(key)

    def start(self, key: Key, grant: Grant) -> bool:
        """Start to read a record, unless it counts as bad. Returns whether that is under way."""
        if self.reason(key, grant) is not None:
            return False
        self._reader.start(key)
        return True

    def keep(self, keys: Set[Key]) -> None:
        """Forget the reads that are not in `keys`."""
        self._reader.keep(keys)

    def fetch(self, key: Key, spent: Spent, control: Control) -> Any:
        """What `Task.read` returned. Raises Undrawn if it is bad, else Unreadable or Away."""
        started = time.perf_counter()
        try:
            data, seconds = self._reader.take(key, self._patience, control.pause)
        except ReadFailed as failed:
            record = self.record(key)
            if isinstance(failed.error, BadRecord):
                raise Undrawn(judge(failed.error, key[1], record), always=True) from failed
            self.look(control, key[0])
            raise Unreadable(key[1], record.path, failed.error) from failed
        spent.wait += time.perf_counter() - started
        spent.read += seconds
        return data

    def decoded(
        self, key: Key, data: Any, decode: Callable[[Any, Record], Any], spent: Spent
    ) -> Any:
        """`decode(data, record)`. Raises Undrawn if the record is bad, Unreadable otherwise."""
        record, started = self.record(key), time.perf_counter()
        try:
            return decode(data, record)
        except RAISED as error:
            raise Undrawn(judge(error, key[1], record), always=True) from error
        finally:
            spent.decode += time.perf_counter() - started

    def look(self, control: Control, *splits: str) -> None:
        """Raise Away if nothing can be read of one of `splits`; also raises what `control` does."""

        def read(split: str, number: int) -> BaseException | None:
            try:
                self._reader.take((split, number), self._patience, control.pause)
            except ReadFailed as failed:
                return failed.error
            return None

        if failed := checks.unread(self.data, splits, read):
            raise Away(*failed)


def reading(task: Task, data: DataSet, links: Path) -> Reader:
    """A reader of the records of `data`, with its own threads."""
    return Reader(lambda key: task.read(links, data.splits[key[0]][key[1]]), task.read_threads)
