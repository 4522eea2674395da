"""What a data set is: its records, their classes, and the arrays that samples of it have.

`Task.scan` returns a `DataSet`. All hosts of a run must have the same, which its fingerprint tells.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
import numpy as np

from pushfit.tasks import visiting
from pushfit.tasks.facts import Fact
from pushfit.tasks.visiting import Visiting

TRAIN, VAL, TEST = "train", "val", "test"
UNKNOWN = -1  # the label of a test sample whose class is not known


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One file (or row) of the data set.

    path: relative to the links folder, with `/` between its parts, e.g. ``train/iPhone-6/1.jpg``.
    size: bytes, which each read must return; 0: unknown. It is part of the fingerprint.
    label: index into `DataSet.classes`; 0 if there are no classes.
    """

    path: str
    size: int = 0
    label: int = 0


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
    splits: dict[str, tuple[Record, ...]]
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
            split: np.bincount([r.label for r in records], minlength=len(self.classes)).tolist()
            for split, records in self.splits.items()
        }

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
            digest.update(msgspec.msgpack.encode((split, self.splits[split])))
        return digest.hexdigest()


def of_class(records: Sequence[Record], label: int) -> range:
    """The numbers of the records with that label. records: all of a split, as `scan` sorts them."""

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
