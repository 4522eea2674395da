"""Further records of a visit, for a task whose samples are made of several (`Task.partners`).

The task names them by number, with a random generator that belongs to the visit alone. A partner
that is bad is replaced by the next good record of its class. So which records a visit uses follows
from the plan and the data, and no generator makes other samples than the next.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from pushfit.errors import TaskError
from pushfit.generator.control import Control
from pushfit.generator.reader import Key
from pushfit.generator.records import Records, Spent, Undrawn
from pushfit.generator.trouble import RAISED, Reason, Unmakeable, judge
from pushfit.generator.watchdog import named
from pushfit.plan.order import partner_rng
from pushfit.plan.shards import Shards
from pushfit.tasks.base import DataSet, Decoded, Task, has_partners
from pushfit.tasks.checks import kind
from pushfit.wire.protocol import Bad, Grant

Visit = tuple[str, int, int, int]  # split, epoch, visit, record


class Upcoming(NamedTuple):
    """A visit to come. keys: the records that are read for it, its own first."""

    grant: Grant
    keys: list[Key]


class Partners:
    """Names, reads and decodes the partners of visits."""

    def __init__(self, task: Task, records: Records, seed: int, shards: Shards) -> None:
        self.any = has_partners(task)
        self._task, self._records, self._seed, self._shards = task, records, seed, shards
        self._named: dict[Visit, list[Key]] = {}  # of visits that are read ahead

    def upcoming(self, grants: Iterable[Grant]) -> list[Upcoming]:
        """The visits of `grants`, with their partners as far as the task can name them."""
        before, self._named = self._named, {}
        found = []
        for grant in grants:
            for offset, record in enumerate(grant.records):
                keys = [(grant.split, record)]
                if self.any:
                    visit = grant.split, grant.epoch, grant.first + offset, record
                    if visit in before:
                        self._named[visit] = before[visit]
                    keys += self._ahead(visit)
                found.append(Upcoming(grant, keys))
        return found

    def _ahead(self, visit: Visit) -> list[Key]:
        try:
            return self._of(visit, visit[3])
        except RAISED:
            return []  # it is told when the visit is made

    def _of(self, visit: Visit, candidate: int) -> list[Key]:
        """The partners of a visit whose samples are drawn from record `candidate`."""
        split, epoch, number, record = visit
        if candidate == record and visit in self._named:
            return self._named[visit]
        of_epoch = self._shards.visit(number)
        rng = partner_rng(self._seed, split, epoch, of_epoch, record, candidate)
        self._task.epoch = epoch
        keys = [
            (split, each) for each in numbers(self._task, self._records.data, split, candidate, rng)
        ]
        if candidate == record:
            self._named[visit] = keys
        return keys

    def decoded(
        self,
        grant: Grant,
        visit: int,
        number: int,
        key: Key,
        bad: Callable[[Bad], None],
        spent: Spent,
        control: Control,
    ) -> list[Decoded]:
        """The partners of a visit to record `number`, whose samples are drawn from `key`.

        bad: hears of each that is bad.
        Raises Undrawn, Unreadable, Away, Unmakeable or TaskError.
        """
        try:
            keys = self._of((grant.split, grant.epoch, visit, number), key[1])
        except TaskError:
            raise
        except RAISED as error:
            raise Undrawn(judge(error, key[1], self._records.record(key)), always=False) from error
        return [self._good(grant, visit, each, bad, spent, control) for each in keys]

    def _good(
        self,
        grant: Grant,
        visit: int,
        key: Key,
        bad: Callable[[Bad], None],
        spent: Spent,
        control: Control,
    ) -> Decoded:
        """The record `key`, or the first of its substitutes that is not bad."""
        first: Reason | None = None
        for candidate in self._records.substitutes(key):
            record = self._records.record(candidate)
            reason = self._records.reason(candidate, grant)
            if reason is None:
                control.begin(grant, candidate[1], record.path)
                try:
                    item = named(record.path, partial(self._decode, candidate, spent, control))
                except Undrawn as undrawn:
                    reason = self._records.bad[candidate] = undrawn.reason
                else:
                    if first:
                        path = self._records.record(key).path
                        bad(Bad(visit, key[1], path, *first, instead=record.path, partner=True))
                    return Decoded(item, record)
            first = first or reason
        record = self._records.record(key)
        raise Unmakeable(
            f"every record of class {self._records.data.classes[record.label]} in {grant.split} is "
            f"bad, so there is no substitute for the partner {record.path}: "
            f"{first.text if first else 'it is empty'}"
        )

    def _decode(self, key: Key, spent: Spent, control: Control) -> Any:
        data = self._records.fetch(key, spent, control)
        return self._records.decoded(key, data, self._task.decode, spent)


def numbers(task: Task, data: DataSet, split: str, number: int, rng: Any) -> Iterator[int]:
    """What `task.partners` names for record `number`. Raises TaskError if these are no records."""
    if not has_partners(task):
        return
    records = data.splits[split]
    said = task.partners(number, records, split, rng)
    where = f"task {task.name}: partners() of {records[number].path} returned"
    try:
        given = [operator.index(each) for each in said]
    except TypeError:
        raise TaskError(f"{where} {kind(said)}, not a list of numbers of records") from None
    for each in given:
        if not 0 <= each < len(records):
            raise TaskError(f"{where} {each}: the records of {split} are 0 to {len(records) - 1:,}")
        yield each
