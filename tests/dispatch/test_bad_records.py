"""`--max-bad`, and which rows the list of bad records holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.dispatch.bad_records import BadRecords, Limit
from pushfit.errors import ConfigError, DataError
from pushfit.runs.quarantine import Quarantine
from pushfit.sinks.hdf5.storing import BadRows
from tests.support.names import NAMES


def row(path: str, epoch: int = 0, split: str = "train") -> dict[str, Any]:
    return {"host": "h1", "path": path, "reason": "torn", "split": split, "epoch": epoch}


@pytest.mark.parametrize(
    ("text", "records", "allowed"),
    [
        ("", 12, 5), (" ", 100, 5), ("", 1000, 50), ("0", 100, 0), ("20", 100, 20), ("1%", 250, 2),
        ("0%", 100, 0), ("0.5 %", 1000, 5), ("100%", 7, 7),
    ],
)  # fmt: skip
def test_a_limit_is_a_number_or_a_share(text: str, records: int, allowed: int) -> None:
    assert Limit.parse(text).of(records) == allowed


@pytest.mark.parametrize(
    "text", ["-1", "1.5", "101%", "%", "1 in 100", "1e3", "nan%", "٣", "9" * 99]
)
def test_other_limits_are_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigError, match=r"a number of records, such as 20, or a share .* 1%"):
        Limit.parse(text)


def test_samples_that_were_drawn_anew_charge_no_record_and_are_limited_by_epochs() -> None:
    rows: list[Any] = []
    bad = BadRecords(rows.append, Limit.parse("1%"), listed="out/quarantine.jsonl")
    for epoch in range(1, 4):
        for _ in range(2):
            bad.note_redrawn(row("train/a", epoch) | {"redrawn": 5}, 1000)
    assert [each["epoch"] for each in rows] == [1, 2, 3]
    with pytest.raises(DataError) as raised:
        bad.note_redrawn(row("train/b", 3) | {"redrawn": 1}, 1000)
    said = str(raised.value)
    assert "11 of the 1,000 samples of train epoch 3 had to be drawn again" in said
    assert "--max-bad 1% allows 10" in said and "out/quarantine.jsonl" in said
    again = BadRecords(limit=Limit.parse("0"), earlier=rows)  # nor do those of before a restart
    with pytest.raises(DataError, match="1 bad records of 300, and --max-bad 0 allows 0"):
        again.note(row("train/c", 4), 300)


def test_records_count_once_and_the_message_says_how_many_which_and_where() -> None:
    rows: list[Any] = []
    bad = BadRecords(rows.append, Limit.parse("2"), listed="out/quarantine.jsonl")
    for epoch in range(3):
        bad.note(row("train/a", epoch), 300)
        bad.note(row("train/a", epoch), 300)
        bad.note(row("train/b", epoch), 300)
    assert len(rows) == 6
    with pytest.raises(DataError) as raised:
        bad.note(row("train/c", 2), 300)
    assert len(rows) == 7  # it is in the list as well
    said = str(raised.value)
    assert "3 bad records of 300, and --max-bad 2 allows 2" in said
    assert "out/quarantine.jsonl" in said and "train/a: torn (on h1)" in said


@given(st.lists(st.tuples(NAMES, NAMES), max_size=4))
def test_whatever_names_hold_the_list_is_read_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, names: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("list")
    rows = [row(path) | {"reason": reason} for path, reason in names]
    file, stored = Quarantine(folder / "a.jsonl"), BadRows(folder / "b.jsonl", [])
    for one in rows:
        file.add(one)
        stored.add(one)
    stored.keep()
    assert Quarantine(file.path).earlier() == rows
    found = Quarantine(stored.path).earlier()
    assert sorted(map(str, found)) == sorted(map(str, rows))


def test_the_list_of_a_resumed_run_goes_on(tmp_path: Path) -> None:
    file = Quarantine(tmp_path / "quarantine.jsonl")
    assert file.earlier() == []
    file.add(row("train/a"))
    file.add(row("train/ü\n"))
    with file.path.open("a") as torn:
        torn.write('[1]\n{"path": "train/x"}\n{"host": "h')  # killed while it wrote
    again = Quarantine(file.path)
    earlier = again.earlier()
    assert earlier == [row("train/a"), row("train/ü\n")]
    assert again.count == 2
    bad = BadRecords(again.add, Limit.parse("2"), earlier=earlier)
    bad.note(row("train/a"), 300)  # told before
    bad.note(row("train/a", 1), 300)
    with pytest.raises(DataError, match="3 bad records of 300"):
        bad.note(row("train/c", 1), 300)
    assert Quarantine(file.path).earlier() == [*earlier, row("train/a", 1), row("train/c", 1)]
