"""Records in chunks: their order and names, how often a chunk is read, and what a bad one costs."""

from __future__ import annotations

import errno
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit import Chunk, ChunkedTask, chunked
from pushfit.errors import BadRecord, TaskError
from pushfit.plan.order import SplitOrder, visit_records
from pushfit.tasks import checks
from pushfit.tasks.base import ArraySpec, DataSet, NoParams, Record, RecordTable, Task

HERE = Path()


class Parts(ChunkedTask):
    """Chunk c has the rows "c/0", "c/1", …; `chunks` says how many each one has."""

    name = "parts"
    row = {"batch_size": 8}
    source = "of a user"

    def __init__(self, chunks: Mapping[str, int], kept: int = 2) -> None:
        self.chunks_kept = kept  # type: ignore[misc]
        super().__init__(NoParams())
        self.chunks, self.reads = dict(chunks), Counter[str]()
        self.fail: Callable[[str], None] = lambda path: None

    def scan(self, links: Path) -> DataSet:
        return chunked((), {"train": (Chunk(path, rows) for path, rows in self.chunks.items())})

    def arrays(self) -> tuple[ArraySpec, ...]:
        return (ArraySpec("x", "uint8", ()),)

    def read_chunk(self, links: Path, path: str) -> Sequence[Any]:
        self.reads[path] += 1
        self.fail(path)
        return [f"{path}/{row}" for row in range(self.chunks[path])]

    def sample(self, item: Any, record: Any, split: str, patch: int, rng: Any) -> dict[str, Any]:
        return {"x": 0}

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, ...]:
        return batch["x"], batch["x"]


names = st.text(st.sampled_from("ab/!#-é~"), min_size=1, max_size=4)


@st.composite
def sets_of_chunks(draw: st.DrawFn) -> dict[str, int]:
    """Chunks of any sizes, by names of which none begins with another and #."""
    found: dict[str, int] = {}
    for name, rows in draw(st.dictionaries(names, st.integers(1, 120), min_size=1)).items():
        pairs = ((name + "#", other + "#") for other in found)
        if not any(a.startswith(b) or b.startswith(a) for a, b in pairs):
            found[name] = rows
    return found


@given(sets_of_chunks(), st.integers(0, 2**32), st.integers(1, 4))
def test_every_row_comes_once_an_epoch_and_each_chunk_is_read_once(
    chunks: dict[str, int], seed: int, together: int
) -> None:
    task = Parts(chunks, kept=together + 1)
    data = checks.scan(task, HERE)  # it is sorted, as it has to be
    groups, records = data.visiting().groups, data.splits["train"]
    order = SplitOrder((len(records),), 1, group_of=groups, together=together)
    for epoch in range(2):
        came = [
            task.decode(task.read(HERE, record), record)
            for record in map(records.__getitem__, visit_records(seed, "train", epoch, order))
        ]
        assert Counter(came) == Counter(
            f"{path}/{row}" for path, rows in chunks.items() for row in range(rows)
        )
    assert all(0 < count <= 2 for count in task.reads.values())  # once an epoch


@given(sets_of_chunks(), st.data())
def test_rows_with_classes_are_sorted_and_keep_their_chunk(
    chunks: dict[str, int], data: st.DataObject
) -> None:
    labels = {
        path: data.draw(st.lists(st.integers(0, 2), min_size=rows, max_size=rows))
        for path, rows in chunks.items()
    }
    given = [Chunk(path, rows, labels[path], 7) for path, rows in chunks.items()]
    found = chunked(("a", "b", "c"), {"train": given, "val": given[:1]})
    records = list(found.splits["train"])
    assert records == sorted(records, key=lambda record: (record.label, record.path))
    task, in_order = Parts(chunks), sorted(chunks, key=lambda path: path + "#")
    for record, group in zip(records, found.groups, strict=True):
        path, row = task.read(HERE, record).rsplit("/", 1)
        assert (record.label, record.size) == (labels[path][int(row)], 7)
        assert group == in_order.index(path)
    shuffled = data.draw(st.permutations(given))
    again = chunked(("a", "b", "c"), {"train": iter(shuffled), "val": given[:1]})
    assert again.fingerprint() == found.fingerprint()


def test_a_million_rows_are_a_table() -> None:
    data = chunked((), {"train": [Chunk(f"{n:03}.h5", 10_000) for n in range(100)]})
    table = data.splits["train"]
    assert isinstance(table, RecordTable) and len(table) == 10**6
    assert table[123_456] == Record("012.h5#3456-of-10000")
    assert isinstance(data.groups, np.ndarray) and data.groups.nbytes == 4 * 10**6


def test_records_to_predict_keep_the_order_of_their_chunks() -> None:
    data = chunked(("all",), {"test": [Chunk("b", 2), Chunk("a", 1)]}, version="v")
    assert [record.path for record in data.splits["test"]] == ["b#0-of-2", "b#1-of-2", "a#0-of-1"]
    assert (data.version, len(data.groups)) == ("v", 0)

    class Predicted(Parts):
        def scan_test(self, links: Path) -> DataSet:
            return data

    assert list(checks.scan(Predicted({}), HERE, ["test"]).splits["test"]) == data.splits["test"]
    assert chunked((), {"train": ()}).splits["train"] == ()


@pytest.mark.parametrize(
    ("chunk", "what"),
    [
        (Chunk("a", 0), "the chunk a of train has 0 rows: give a whole number from 1, and leave"),
        (Chunk("a", 2.0), r"the chunk a of train has 2\.0 rows"),  # type: ignore[arg-type]
        (Chunk("a", True), "the chunk a of train has True rows"),
        (Chunk("a", 2, [1]), "the labels of the chunk a of train are not whole numbers, one for"),
        (Chunk("a", 2, 0.5), "the labels of the chunk a of train are not whole numbers"),  # type: ignore[arg-type]
        (Chunk("a", 2, [0, 2]), "of the chunk a of train are 0 to 2: they must be from 0 to 1"),
        (Chunk("a", 2, -1), "of the chunk a of train are -1 to -1"),
        (Chunk("b", 3), "the chunks b and b of train cannot be told apart by their rows: rename"),
        (Chunk("b#0", 3), "the chunks b and b#0 of train cannot be told apart"),
        (Chunk(7, 3), r"Chunk\(path=7, .* is not a chunk of train: give Chunk\(path, rows\)"),  # type: ignore[arg-type]
        (("a", 3), r"\('a', 3\) is not a chunk of train"),
    ],
)
def test_chunks_that_cannot_be_used(chunk: Any, what: str) -> None:
    with pytest.raises(TaskError, match=what):
        chunked(("x", "y"), {"train": [chunk, Chunk("b", 1)]})


def read(task: Task, path: str) -> Any:
    return task.read(HERE, Record(path))


def test_the_last_chunks_are_kept() -> None:
    task = Parts({"a": 3, "b": 3, "c": 3}, kept=2)
    for path in ("a#0-of-3", "b#2-of-3", "a#1-of-3", "b#0-of-3", "c#0-of-3", "b#1-of-3"):
        assert read(task, path) == f"{path[0]}/{path[2]}"
    assert task.reads == {"a": 1, "b": 1, "c": 1}
    assert read(task, "a#2-of-3") == "a/2"
    assert task.reads["a"] == 2  # c took its place


def test_threads_wait_for_the_one_that_reads_their_chunk() -> None:
    task, together = Parts({"a": 8, "b": 8}), threading.Barrier(8)
    task.fail = lambda path: time.sleep(0.05)

    def one(row: int) -> Any:
        together.wait(60)
        return read(task, f"{'ab'[row % 2]}#{row}-of-8")

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(one, range(8))) == [f"{'ab'[row % 2]}/{row}" for row in range(8)]
    assert task.reads == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (BadRecord("it is torn"), "it is torn"),
        (
            ValueError("no header"),
            r"read_chunk\(\) of a raised ValueError: no header \(test_chunks",
        ),
        (OSError("truncated file"), r"read_chunk\(\) of a raised OSError: truncated file"),
    ],
)
def test_a_bad_chunk_is_read_once_and_makes_each_of_its_rows_bad(
    error: Exception, what: str
) -> None:
    task = Parts({"a": 3, "b": 3})

    def fail(path: str) -> None:
        if path == "a":
            raise error

    task.fail = fail
    for row in range(3):
        with pytest.raises(BadRecord, match=what):
            read(task, f"a#{row}-of-3")
    assert read(task, "b#1-of-3") == "b/1"
    assert task.reads == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "input/output"), MemoryError(), ImportError()]
)
def test_what_the_host_may_be_to_blame_for_is_tried_again(error: Exception) -> None:
    task, errors = Parts({"a": 3}), [error]

    def fail(path: str) -> None:
        if errors:
            raise errors.pop()

    task.fail = fail
    with pytest.raises(type(error)):
        read(task, "a#0-of-3")
    assert read(task, "a#1-of-3") == "a/1"
    assert task.reads == {"a": 2}


@pytest.mark.parametrize("rows", [0, 2, 4])
def test_a_chunk_of_other_rows_than_the_scan_said_is_bad(rows: int) -> None:
    task = Parts({"a": rows})
    with pytest.raises(BadRecord, match=f"a has {rows} rows, and scan.. said 3"):
        read(task, "a#0-of-3")


def test_what_is_no_chunk_is_an_error_of_the_task() -> None:
    task = Parts({"a": 3})
    with pytest.raises(TaskError, match=r"the record a#1 is not a row of a chunk: let scan\(\)"):
        read(task, "a#1")
    task.read_chunk = lambda links, path: iter("abc")  # type: ignore[assignment,return-value]
    with pytest.raises(TaskError, match=r"read_chunk\(\) returned str.*iterator, not a"):
        read(task, "a#1-of-3")


def test_rows_come_chunk_by_chunk_unless_the_task_says_otherwise() -> None:
    class Other(Parts):
        row = {"shuffle_groups": 0}

    assert Parts.row == {"shuffle_groups": 4, "batch_size": 8}
    assert Other.row == {"shuffle_groups": 0}
