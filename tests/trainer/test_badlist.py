"""`--max-bad`, and which rows the list of bad records holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lib.errors import ConfigError, DataError
from lib.trainer.badlist import BadList, Limit
from lib.trainer.quarantine import Quarantine


def row(path: str, epoch: int = 0, split: str = "train") -> dict[str, Any]:
    return {"host": "h1", "path": path, "reason": "torn", "split": split, "epoch": epoch}


@pytest.mark.parametrize(
    ("text", "records", "allowed"),
    [
        ("", 100, 100), (" ", 100, 100), ("0", 100, 0), ("20", 100, 20), ("1%", 250, 2),
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


def test_records_count_once_and_the_message_says_how_many_which_and_where() -> None:
    rows: list[Any] = []
    bad = BadList(rows.append, Limit.parse("2"), listed="out/quarantine.jsonl")
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
    bad = BadList(again.add, Limit.parse("2"), earlier=earlier)
    bad.note(row("train/a"), 300)  # told before
    bad.note(row("train/a", 1), 300)
    with pytest.raises(DataError, match="3 bad records of 300"):
        bad.note(row("train/c", 1), 300)
    assert Quarantine(file.path).earlier() == [*earlier, row("train/a", 1), row("train/c", 1)]
