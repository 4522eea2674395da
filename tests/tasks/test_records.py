"""A table of records is the sequence of records that it was made of, in less memory."""

from __future__ import annotations

import sys

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.tasks import records as module
from pushfit.tasks.base import DataSet, Record, RecordTable, of_class

PATHS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
RECORDS = st.builds(Record, PATHS, st.integers(0, 2**62), st.integers(0, 3))
MANY = st.lists(RECORDS, max_size=20).map(tuple)


@given(MANY, st.integers(-25, 25), st.integers(-25, 25))
def test_it_is_the_same_sequence(records: tuple[Record, ...], first: int, last: int) -> None:
    table = RecordTable.of(iter(records))
    assert list(table) == list(records)
    assert len(table) == len(records)
    assert (table == records, records == table, table == RecordTable.of(records)) == (True,) * 3
    assert table[first:last] == records[first:last]
    if -len(records) <= first < len(records):
        assert table[first] == records[first]
    else:
        with pytest.raises(IndexError):
            table[first]


@given(MANY, RECORDS)
def test_another_record_makes_it_another(records: tuple[Record, ...], other: Record) -> None:
    table = RecordTable.of(records)
    assert table != (*records, other)
    assert table != RecordTable.of((*records, other))
    if records and records[0] != other:
        assert table != (other, *records[1:])
        assert table != RecordTable.of((other, *records[1:]))
    assert table != "text"


@pytest.mark.parametrize("count", [0, 1, 15, 16, 300])
def test_it_is_encoded_as_the_tuple_is(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 64)
    records = tuple(Record(f"train/{number}", number, number % 5) for number in range(count))
    assert b"".join(RecordTable.of(records).encoded()) == msgspec.msgpack.encode(records)


def test_an_array_of_more_than_65535_items_is_encoded_as_well() -> None:
    records = tuple(Record("é" * (number % 4), number) for number in range(2**16 + 1))
    assert b"".join(RecordTable.of(records).encoded()) == msgspec.msgpack.encode(records)


@given(MANY)
def test_a_data_set_is_the_same_with_tables(records: tuple[Record, ...]) -> None:
    ordered = tuple(sorted(records, key=lambda record: (record.label, record.path)))
    data = DataSet(tuple("abcd"), {"train": ordered, "val": ordered[:2]}, version="1")
    compact = data.compact()
    assert compact == data
    assert compact.fingerprint() == data.fingerprint()
    assert compact.counts() == data.counts()
    for label in range(5):
        assert of_class(compact.splits["train"], label) == of_class(ordered, label)


def test_a_record_takes_20_bytes_besides_its_path() -> None:
    table = RecordTable.of(Record(f"train/{number:06}", number) for number in range(1000))
    path = len("train/000000")
    assert sum(memoryview(each).nbytes for each in table.buffers) == 1000 * (20 + path)
    assert sys.getsizeof(table) < 100


def test_what_is_not_text_is_no_path() -> None:
    with pytest.raises(UnicodeEncodeError):
        RecordTable.of([Record("\udcff")])


@given(
    st.lists(st.tuples(st.text(max_size=4), st.integers(0, 2**40), st.integers(0, 3)), max_size=30)
)
def test_records_with_other_labels_are_sorted_by_them(rows: list[tuple[str, int, int]]) -> None:
    table = RecordTable.of(Record(path, size, 7) for path, size, _ in rows)
    labels = np.array([label for _, _, label in rows], np.int32)
    expected = [Record(*row) for row in rows]
    expected.sort(key=lambda each: (each.label, each.path))
    found = table.relabelled(labels)
    assert [(r.label, r.path) for r in found] == [(r.label, r.path) for r in expected]
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
    assert len(table) == len(found) and all(record.label == 7 for record in table)
