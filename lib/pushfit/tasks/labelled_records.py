"""Records that are listed one by one with the name of their class, and the data set of them.

Lists and tar shards know a class only by its name in each row, and in any order. Records are kept
as tables, so that a million of them take little memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from pushfit.errors import DataError
from pushfit.tasks.base import TRAIN, VAL, DataSet, Record, RecordTable, Unused
from pushfit.tasks.class_names import in_order
from pushfit.tasks.records import RecordWriter, parted


@dataclass
class Listed:
    """The records of one split, in the order in which they were added."""

    writer: RecordWriter = field(default_factory=RecordWriter)
    is_sorted: bool = True
    last: str = ""

    def add(self, path: str, size: int, number: int) -> None:
        self.is_sorted = self.is_sorted and self.last <= path
        self.last = path
        self.writer.add(Record(path, size, number))


class LabelledRecords:
    """Collects records, and makes a data set of them.

    where: what they were listed by, for messages.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._numbers: dict[str, int] = {}
        self._splits = {TRAIN: Listed(), VAL: Listed()}

    def add(self, split: str, path: str, size: int, name: str) -> None:
        """Add a record. name: of its class. size: bytes."""
        self._splits[split].add(path, size, self._numbers.setdefault(name, len(self._numbers)))

    def data_set(
        self,
        listed: Sequence[str],
        held_out: float,
        unused: Sequence[Unused],
        validation: str,
        group: Callable[[str], int] | None = None,
    ) -> DataSet:
        """The data set.

        listed: the classes in their order; empty: as they are named, sorted naturally.
        held_out: the share of each class to validate on if no records are for that.
        unused: of files or rows that are not used.
        validation: in words, where records to validate on come from, if there are some.
        group: the group of the training record with this path; None: there are no groups.
        Raises DataError.
        """
        tables = {split: each.writer.table() for split, each in self._splits.items()}
        names = list(self._numbers)
        train = tables[TRAIN]
        if not len(train):
            raise DataError(f"{self._where} has no photos to train on{_why(unused)}")
        trained = {names[number] for number in np.unique(train.labels)}
        validated = {names[number] for number in np.unique(tables[VAL].labels)}
        unknown = min(validated - trained, default="")
        if unknown:
            raise DataError(
                f"{self._where}: the class {unknown!r} has photos to validate on and none to "
                "train on; add some, or take those out"
            )
        classes = in_order(trained, listed, self._where)
        where = {name: index for index, name in enumerate(classes)}
        labels = np.array([where.get(name, 0) for name in names], np.int32)
        ordered = {
            split: _by_label(table, labels[table.labels], self._splits[split].is_sorted)
            for split, table in tables.items()
        }
        train, val = ordered[TRAIN], ordered[VAL]
        if len(val):
            told = validation
        elif held_out:
            train, val = parted(train, held_out)
            told = f"held out, {held_out:.0%} of each class (no photos are listed for that)"
        else:
            told = "none"
        groups = np.array([group(record.path) for record in train], np.int64) if group else ()
        return DataSet(classes, {TRAIN: train, VAL: val}, tuple(unused), told, groups=groups)


def _by_label(table: RecordTable, labels: np.ndarray, is_sorted: bool) -> RecordTable:
    """The records sorted by (label, path). Raises DataError if a path comes twice."""
    if is_sorted:
        order = np.argsort(labels, kind="stable").tolist()
    else:
        paths = [record.path for record in table]
        order = sorted(range(len(paths)), key=paths.__getitem__)
        order.sort(key=labels.tolist().__getitem__)
    writer, last = RecordWriter(), ""
    for index in order:
        path, size, _ = msgspec.structs.astuple(table[index])
        if path == last:
            raise DataError(f"{path!r} is listed twice: list each photo once")
        last = path
        writer.add(Record(path, size, int(labels[index])))
    return writer.table()


def _why(unused: Sequence[Unused]) -> str:
    found = [f"{each.count:,} {each.reason} (first {each.first})" for each in unused]
    return f": {'; '.join(found)}" if found else ""
