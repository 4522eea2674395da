"""Records that are listed one by one with the name of their class, and the data set of them.

Lists and tar shards know a class only by its name in each row, and in any order. Records are kept
as tables, so that a million of them take little memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pushfit.errors import DataError
from pushfit.tasks.base import TRAIN, VAL, DataSet, Record, Unused
from pushfit.tasks.class_names import in_order, natural
from pushfit.tasks.records import RecordWriter, parted


class LabelledRecords:
    """Collects records, and makes a data set of them.

    where: what they were listed by, for messages.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._numbers: dict[str, int] = {}
        self._splits = {TRAIN: RecordWriter(), VAL: RecordWriter()}

    def add(self, split: str, path: str, size: int, name: str) -> None:
        """Add a record. name: of its class. size: bytes."""
        number = self._numbers.setdefault(name, len(self._numbers))
        self._splits[split].add(Record(path, size, number))

    def data_set(
        self,
        listed: Sequence[str],
        held_out: float,
        unused: Sequence[Unused],
        validation: str,
        group: Callable[[str], int] | None = None,
        order: Callable[[str], Any] = natural,
    ) -> DataSet:
        """The data set. It is made once, since it takes the memory of what was added.

        listed: the classes in their order; empty: as they are named, sorted by `order`.
        held_out: the share of each class to validate on if no records are for that.
        unused: of files or rows that are not used.
        validation: in words, where records to validate on come from, if there are some.
        group: the group of the training record with this path; None: there are no groups.
        order: a key that sorts the names of classes.
        Raises DataError.
        """
        train, val = (self._splits.pop(split).table() for split in (TRAIN, VAL))
        names = list(self._numbers)
        if not len(train):
            raise DataError(f"{self._where} has no photos to train on{_why(unused)}")
        trained = {names[number] for number in np.unique(train.labels)}
        validated = {names[number] for number in np.unique(val.labels)}
        unknown = min(validated - trained, default="")
        if unknown:
            raise DataError(
                f"{self._where}: the class {unknown!r} has photos to validate on and none to "
                "train on; add some, or take those out"
            )
        classes = in_order(trained, listed, self._where, order)
        where = {name: index for index, name in enumerate(classes)}
        labels = np.array([where.get(name, 0) for name in names], np.int32)
        train = train.relabelled(labels[train.labels])
        val = val.relabelled(labels[val.labels])
        if len(val):
            told = validation
        elif held_out:
            train, val = parted(train, held_out)
            told = f"held out, {held_out:.0%} of each class (no photos are listed for that)"
        else:
            told = "none"
        groups = np.array([group(record.path) for record in train], np.int64) if group else ()
        return DataSet(classes, {TRAIN: train, VAL: val}, tuple(unused), told, groups=groups)


def _why(unused: Sequence[Unused]) -> str:
    found = [f"{each.count:,} {each.reason} (first {each.first})" for each in unused]
    return f": {'; '.join(found)}" if found else ""
