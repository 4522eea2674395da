"""Records that lie in chunks: parts of the data that are read and unpacked as a whole.

A chunk is a shard, an archive, a chunk of an HDF5 file or a row group, with any number of rows. A
record is still one row of it, so that order, mixing and substitutes are those of any records.
`chunked` makes the data set; `ChunkedTask` reads a chunk once for all rows that follow one another.
"""

from __future__ import annotations

import re
import threading
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np

from pushfit.errors import BadRecord, TaskError, raised
from pushfit.tasks.base import TEST, TRAIN, DataSet, Record, RecordTable, Task
from pushfit.tasks.records import RecordWriter

SIGN, OF = "#", "-of-"  # row 7 of the 120 of the chunk a.tar is the record a.tar#007-of-120
_ROW = re.compile(f"(.*){SIGN}([0-9]+){OF}([0-9]+)", re.DOTALL)


class Chunk(msgspec.Struct, frozen=True):
    """One chunk of a data set.

    path: by which `read_chunk` finds it, such as its file relative to the links folder.
    rows: their number, at least 1.
    labels: the class of all of its rows, or (rows,) the class of each.
    size: its bytes, which all hosts of a run must agree on; 0: unknown.
    """

    path: str
    rows: int
    labels: int | Sequence[int] | np.ndarray = 0
    size: int = 0


def chunked(
    classes: tuple[str, ...], splits: Mapping[str, Iterable[Chunk]], **about: Any
) -> DataSet:
    """The data set whose records are the rows of chunks, and whose groups are the chunks.

    classes: as for `DataSet`.
    splits: {split: its chunks}, in any order; those of TEST are predicted in the order given.
    about: further fields of `DataSet`.

    Raises TaskError if chunks are not as they should be.
    """
    found = {split: _rows(split, chunks, len(classes)) for split, chunks in splits.items()}
    tables = {split: records for split, (records, _) in found.items()}
    groups = found[TRAIN][1] if TRAIN in found else ()
    return DataSet(classes, tables, groups=groups, **about)


class ChunkedTask(Task):
    """A task whose records are rows of chunks: `scan` returns `chunked(…)`.

    Each generator process reads a chunk once for the rows that follow one another, and keeps the
    last ones. So rows come chunk by chunk: `shuffle_groups` is 4, unless `row` or a user says
    something else (0: all rows are shuffled together, and chunks are read again and again).

    chunks_kept: how many chunks a process keeps; more than `shuffle_groups`, and as many as fit
        into its memory.
    """

    row = {"shuffle_groups": 4}
    chunks_kept: ClassVar[int] = 6

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls.row = {**ChunkedTask.row, **cls.row}

    def __init__(self, params: msgspec.Struct) -> None:
        super().__init__(params)
        self._kept = _Kept(self.chunks_kept)

    @abstractmethod
    def read_chunk(self, links: Path, path: str) -> Sequence[Any]:
        """The rows of the chunk `path`, in their order: what `decode` gets, one by one.

        It runs on `read_threads` threads, for one chunk on one of them.

        Raises BadRecord if the content is wrong: every row is then a bad record. So does any other
        exception but a MemoryError, an ImportError or an error of the operating system, which mean
        that this host could not read the chunk, and another generator tries.
        """

    def read(self, links: Path, record: Record) -> Any:
        """A row. Raises what `read_chunk` says."""
        match = _ROW.fullmatch(record.path)
        if match is None:
            raise TaskError(
                f"task {self.name}: the record {record.path} is not a row of a chunk: let scan() "
                "return chunked(…)"
            )
        path, row, rows = match[1], int(match[2]), int(match[3])
        return self._kept.get(path, partial(self._whole, links, path, rows))[row]

    def decode(self, data: Any, record: Record) -> Any:
        """The item of a row: the row itself, unless a task makes more of it. Raises BadRecord."""
        return data

    def _whole(self, links: Path, path: str, rows: int) -> Sequence[Any]:
        try:
            found = self.read_chunk(links, path)
        except (BadRecord, MemoryError, ImportError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise BadRecord(f"read_chunk() of {path} raised {raised(error)}") from error
        if not hasattr(found, "__len__"):
            raise TaskError(
                f"task {self.name}: read_chunk() returned {type(found).__name__}, not a list or "
                "another sequence of rows"
            )
        if len(found) != rows:
            raise BadRecord(f"{path} has {len(found):,} rows, and scan() said {rows:,}")
        return found


class _Kept:
    """The chunks that were used last. Each is read by one thread, for which others wait.

    A chunk that is bad stays so. After any other error the next thread tries again.
    """

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._chunks: OrderedDict[str, Future[Sequence[Any]]] = OrderedDict()
        self._bad: dict[str, str] = {}

    def get(self, path: str, read: Callable[[], Sequence[Any]]) -> Sequence[Any]:
        """The rows of a chunk. Raises what `read` raises."""
        with self._lock:
            if path in self._bad:
                raise BadRecord(self._bad[path])
            chunk = self._chunks.get(path)
            is_new = chunk is None
            if chunk is None:
                chunk = self._chunks[path] = Future()
            self._chunks.move_to_end(path)
            while len(self._chunks) > self._most:
                self._chunks.popitem(last=False)
        if is_new:
            self._read(path, chunk, read)
        return chunk.result()

    def _read(
        self, path: str, chunk: Future[Sequence[Any]], read: Callable[[], Sequence[Any]]
    ) -> None:
        try:
            chunk.set_result(read())
        except BaseException as error:  # whoever waits for the chunk raises it
            with self._lock:
                if isinstance(error, BadRecord):
                    self._bad[path] = str(error)
                if self._chunks.get(path) is chunk:
                    del self._chunks[path]
            chunk.set_exception(error)


def _rows(split: str, given: Iterable[Chunk], classes: int) -> tuple[RecordTable, np.ndarray]:
    """(the records of a split, the number of each one's chunk)."""
    chunks = list(given)
    for chunk in chunks:
        _check(split, chunk, classes)
    in_order = sorted(chunks, key=lambda chunk: chunk.path + SIGN)
    for one, other in pairwise(chunk.path for chunk in in_order):
        if (other + SIGN).startswith(one + SIGN):
            raise TaskError(
                f"the chunks {one} and {other} of {split} cannot be told apart by their rows: "
                f"rename one, so that it does not begin with the other and {SIGN}"
            )
    if split != TEST:  # its records are predicted in their own order
        chunks = in_order
    counts = np.array([chunk.rows for chunk in chunks], np.int64)
    ends = np.cumsum(counts)
    numbers = np.repeat(np.arange(len(chunks), dtype=np.uint32), counts)
    rows = np.arange(len(numbers)) - np.repeat(ends - counts, counts)
    labels = np.empty(len(numbers), np.int32)
    for chunk, end in zip(chunks, ends.tolist(), strict=True):
        labels[end - chunk.rows : end] = chunk.labels
    if split != TEST:
        order = np.argsort(labels, kind="stable")
        numbers, rows, labels = numbers[order], rows[order], labels[order]
    writer = RecordWriter()
    for number, row, label in zip(numbers, rows, labels, strict=True):
        chunk = chunks[number]
        path = f"{chunk.path}{SIGN}{row:0{len(str(chunk.rows - 1))}}{OF}{chunk.rows}"
        writer.add(Record(path, chunk.size, int(label)))
    return writer.table(), numbers


def _check(split: str, chunk: Chunk, classes: int) -> None:
    """Raise TaskError if the chunk is not as it should be."""
    if not isinstance(chunk, Chunk) or not isinstance(chunk.path, str):
        raise TaskError(f"{chunk!r} is not a chunk of {split}: give Chunk(path, rows)")
    if type(chunk.rows) is not int or not 0 < chunk.rows < 2**31:
        raise TaskError(
            f"the chunk {chunk.path} of {split} has {chunk.rows!r} rows: give a whole number from "
            "1, and leave out a chunk without rows"
        )
    labels = np.asarray(chunk.labels)
    if labels.dtype.kind not in "iu" or labels.shape not in ((), (chunk.rows,)):
        raise TaskError(
            f"the labels of the chunk {chunk.path} of {split} are not whole numbers, one for each "
            f"of its {chunk.rows:,} rows or one for all"
        )
    if labels.min() < 0 or labels.max() >= max(classes, 1):
        raise TaskError(
            f"the labels of the chunk {chunk.path} of {split} are {labels.min()} to "
            f"{labels.max()}: they must be from 0 to {max(classes, 1) - 1}"
        )
