"""One record, and many records in little memory: their paths as one text, their numbers as arrays.

A `Record` takes some 300 bytes. In a table it takes 20, and the bytes of its path; the `Record` is
made when it is asked for. The arrays may lie in a file, which processes of a host then share.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import overload

import msgspec
import numpy as np

BLOCK = 4096  # records that are made at once

Buffers = tuple[memoryview, np.ndarray, np.ndarray, np.ndarray]


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One file (or row) of the data set.

    path: relative to the links folder, with `/` between its parts, e.g. ``train/iPhone-6/1.jpg``.
    size: bytes, which each read must return; 0: unknown. It is part of the fingerprint.
    label: index into `DataSet.classes`; 0 if there are no classes.
    """

    path: str
    size: int = 0
    label: int = 0


class RecordTable(Sequence[Record]):
    """An immutable sequence of records. It is equal to any sequence of equal records.

    labels: (n,) int32.

    Make one with `RecordTable.of(records)`, where `records` may be a generator: so a task can list
    millions of records without ever holding them.
    """

    __slots__ = ("_ends", "_paths", "_sizes", "labels")
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self, paths: memoryview, ends: np.ndarray, sizes: np.ndarray, labels: np.ndarray
    ) -> None:
        """paths: all paths in UTF-8, one after the other. ends: (n,) uint64, where each one ends.

        sizes: (n,) int64. labels: (n,) int32.
        """
        self._paths, self._ends, self._sizes, self.labels = paths, ends, sizes, labels

    @classmethod
    def of(cls, records: Iterable[Record]) -> RecordTable:
        """The table of `records`.

        Raises UnicodeEncodeError where a path is not text, OverflowError where a number has more
        than 64 bits, or a label more than 32.
        """
        if isinstance(records, RecordTable):
            return records
        writer = RecordWriter()
        for record in records:
            writer.add(record)
        return writer.table()

    @property
    def buffers(self) -> Buffers:
        """The arguments that make an equal table."""
        return self._paths, self._ends, self._sizes, self.labels

    def chosen(self, numbers: Iterable[int]) -> RecordTable:
        """The table of the records of these numbers."""
        return RecordTable.of(self[int(number)] for number in numbers)

    def relabelled(self, labels: np.ndarray) -> RecordTable:
        """The same records with other labels, sorted by (label, path).

        labels: (n,) int32, of the records in their present order.
        """
        order = np.argsort(labels, kind="stable")
        ends = self._ends.astype(np.int64)
        begins = np.concatenate((np.zeros(1, np.int64), ends))[:-1]
        paths, places = bytearray(), array("q")
        # Class by class, to hold the paths of one at a time. UTF-8 sorts as text does.
        for numbers in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
            spans = zip(begins[numbers].tolist(), ends[numbers].tolist(), strict=True)
            names = [bytes(self._paths[begin:end]) for begin, end in spans]
            named = sorted(zip(names, numbers.tolist(), strict=True))
            paths += b"".join(name for name, _ in named)
            places.extend(number for _, number in named)
        order = np.frombuffer(places, np.int64)
        return RecordTable(
            memoryview(paths).toreadonly(),
            np.cumsum((ends - begins)[order]).astype(np.uint64),
            self._sizes[order],
            labels[order],
        )

    def encoded(self) -> Iterator[bytes]:
        """The table in MessagePack, in pieces: what a tuple of the same records is encoded as."""
        yield _array_header(len(self))
        for start in range(0, len(self), BLOCK):
            block = list(self._block(start))
            yield msgspec.msgpack.encode(block)[len(_array_header(len(block))) :]

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> RecordTable: ...
    def __getitem__(self, index: int | slice) -> Record | RecordTable:
        if isinstance(index, slice):
            return self.chosen(range(*index.indices(len(self))))
        number = range(len(self))[index]  # raises IndexError; a negative one counts from the end
        start = int(self._ends[number - 1]) if number else 0
        path = str(self._paths[start : int(self._ends[number])], "utf-8")
        return Record(path, int(self._sizes[number]), int(self.labels[number]))

    def __iter__(self) -> Iterator[Record]:
        for start in range(0, len(self), BLOCK):
            yield from self._block(start)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, RecordTable):
            pairs = zip(self.buffers[1:], other.buffers[1:], strict=True)
            return self._paths == other._paths and all(np.array_equal(a, b) for a, b in pairs)
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(
            ours == theirs for ours, theirs in zip(self, other, strict=True)
        )

    def __repr__(self) -> str:
        return f"<RecordTable of {len(self):,} records>"

    def _block(self, start: int) -> Iterator[Record]:
        stop = start + BLOCK
        ends = self._ends[start:stop].tolist()
        begins = [int(self._ends[start - 1]) if start else 0, *ends[:-1]]
        numbers = self._sizes[start:stop].tolist(), self.labels[start:stop].tolist()
        for begin, end, size, label in zip(begins, ends, *numbers, strict=True):
            yield Record(str(self._paths[begin:end], "utf-8"), size, label)


class RecordWriter:
    """Makes a table, record by record."""

    def __init__(self) -> None:
        self._paths, self._ends = bytearray(), array("Q")
        self._sizes, self._labels = array("q"), array("i")

    def add(self, record: Record) -> None:
        """Add a record. Raises what `RecordTable.of` raises."""
        self._paths += record.path.encode()
        self._ends.append(len(self._paths))
        self._sizes.append(record.size)
        self._labels.append(record.label)

    def table(self) -> RecordTable:
        """The table of what was added. Nothing can be added any more."""
        return RecordTable(
            memoryview(self._paths).toreadonly(),
            np.frombuffer(self._ends, np.uint64),
            np.frombuffer(self._sizes, np.int64),
            np.frombuffer(self._labels, np.int32),
        )


def parted(records: Iterable[Record], share: float) -> tuple[RecordTable, RecordTable]:
    """(the rest, `share` of each class), the same records on every host and in every run.

    records: sorted by label. At least one record of each class stays in the rest.
    """
    rng = np.random.Generator(np.random.Philox(0))
    rest, held_out = RecordWriter(), RecordWriter()
    for _, group in groupby(records, key=attrgetter("label")):
        of_class = list(group)
        count = min(round(share * len(of_class)), len(of_class) - 1)
        chosen = set(rng.permutation(len(of_class))[:count].tolist())
        for number, record in enumerate(of_class):
            (held_out if number in chosen else rest).add(record)
    return rest.table(), held_out.table()


def _array_header(count: int) -> bytes:
    """How MessagePack begins an array of `count` items."""
    if count < 16:
        return bytes([0x90 | count])
    if count < 2**16:
        return b"\xdc" + count.to_bytes(2, "big")
    return b"\xdd" + count.to_bytes(4, "big")
