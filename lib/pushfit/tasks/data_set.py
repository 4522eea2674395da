"""What a data set is: its records, their classes, and the arrays that samples of it have.

`Task.scan` returns a `DataSet`. All hosts of a run must have the same, which its fingerprint tells.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np

from pushfit.tasks import visiting
from pushfit.tasks.facts import Fact
from pushfit.tasks.records import Record, RecordTable
from pushfit.tasks.visiting import Visiting

TRAIN, VAL, TEST = "train", "val", "test"
UNKNOWN = -1  # the label of a test sample whose class is not known


class Unused(msgspec.Struct, frozen=True, array_like=True):
    """Files beside the records that are not used, all for one reason.

    first: the name of the first one.
    """

    count: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    first: Annotated[str, msgspec.Meta(max_length=4096)]
    reason: Annotated[str, msgspec.Meta(max_length=4096)]


class DataSet(msgspec.Struct, frozen=True):
    """What a links folder holds. Records of a split are sorted by (label, path).

    Records to be predicted are all of one pseudo-class, so that they stay in their own order.

    splits: {split: its records}, each a tuple, or a `RecordTable` for millions of records.
    classes: their names; (): the records are of no classes.
    unused: files that are not used. It is shown to people, and not part of the fingerprint.
    validation: in words, where the records of VAL come from. It is shown to people as well.
    version: whatever else decides samples, such as the hash of a file with a table that the task
        uses. All hosts of a run must have the same.
    facts: what `arrays`, `to_fit` and `build_model` need to know of the data, such as the number of
        columns: {name: bool, int, float, text, or a tuple of these}. A task finds it as
        `self.facts`, in a trainer without the data as well. It is part of the fingerprint.
    weights: a number for each record of TRAIN, in their order: a record's share of the visits is
        its weight ÷ the sum of all. 0: it is never visited. Empty: every record is visited equally
        often. It is part of the fingerprint.
    groups: a whole number for each record of TRAIN, in their order: the file, shard or folder that
        it lies in. `--shuffle-groups` reads group by group. It is part of the fingerprint.
    """

    classes: tuple[str, ...]
    splits: Mapping[str, Sequence[Record]]
    unused: tuple[Unused, ...] = ()
    validation: str = ""
    version: str = ""
    facts: Mapping[str, Fact] = {}
    weights: Sequence[float] | np.ndarray = ()
    groups: Sequence[int] | np.ndarray = ()

    def visiting(self) -> Visiting:
        """`weights` and `groups` as bytes. Raises ValueError if they are not as they should be."""
        return visiting.of(self.weights, self.groups, len(self.splits.get(TRAIN, ())))

    def counts(self) -> dict[str, list[int]]:
        """Records per class, in class order, for every split."""
        return {
            split: np.bincount(_labels(records), minlength=len(self.classes)).tolist()
            for split, records in self.splits.items()
        }

    def compact(self) -> DataSet:
        """The same data set, with its records in tables, and its weights and groups as arrays."""
        tables = {split: RecordTable.of(records) for split, records in self.splits.items()}
        weights, groups = self.visiting().numbers
        return msgspec.structs.replace(self, splits=tables, weights=weights, groups=groups)

    def fingerprint(self) -> str:
        """SHA-256 over all that a run needs to be the same: equal data, equal fingerprint.

        That is classes, paths, sizes, version, facts, weights and groups.
        """
        digest = hashlib.sha256(msgspec.msgpack.encode(self.classes))
        if self.version:
            digest.update(msgspec.msgpack.encode(("", self.version)))
        if self.facts:
            digest.update(msgspec.msgpack.encode(("facts", sorted(self.facts.items()))))
        if how := self.visiting().digest:
            digest.update(msgspec.msgpack.encode(("visiting", how)))
        for split in sorted(self.splits):
            digest.update(b"\x92" + msgspec.msgpack.encode(split))  # a pair: the split, its records
            for piece in RecordTable.of(self.splits[split]).encoded():
                digest.update(piece)
        return digest.hexdigest()


def _labels(records: Iterable[Record]) -> Any:
    if isinstance(records, RecordTable):
        return records.labels
    return np.array([record.label for record in records], np.int64)


def of_class(records: Sequence[Record], label: int) -> range:
    """The numbers of the records with that label. records: all of a split, as `scan` sorts them."""

    if isinstance(records, RecordTable):
        first, after = np.searchsorted(records.labels, (label, label + 1)).tolist()
        return range(first, after)

    def key(record: Record) -> int:
        return record.label

    return range(bisect_left(records, label, key=key), bisect_right(records, label, key=key))


class ArraySpec(msgspec.Struct, frozen=True, array_like=True):
    """One array of a sample: its name, numpy dtype string (e.g. ``"uint8"``) and shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize
