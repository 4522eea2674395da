"""What is told at the start of a run: what was found, and what is not used."""

from __future__ import annotations

from pushfit.observe import summary
from pushfit.tasks.base import Unused


def test_all_that_was_found() -> None:
    lines = summary.found(
        {"train": [9_000, 2_100], "val": [1_245, 0]},
        origin="/data/photos",
        validation="the folder val",
        unused=[Unused(12, "train/cat/notes.txt", "not a picture"), Unused(1, "trian/", "unread")],
        steps={"train": 347, "val": 39},
        batch_size=32,
    )
    assert lines == [
        "Data      12,345 records of 2 classes (/data/photos): train 11,100, val 1,245",
        "          validation: the folder val",
        "Not used  12 x not a picture (first: train/cat/notes.txt)",
        "          1 x unread (first: trian/)",
        "Epoch     347 steps of 32 samples, 39 steps of validation",
    ]


def test_nothing_to_validate_on_and_nothing_left_over() -> None:
    lines = summary.found(
        {"train": [1], "val": [0]}, origin="here", validation="none", steps={"train": 1, "val": 0},
        batch_size=1,
    )  # fmt: skip
    assert lines == [
        "Data      1 record of 1 class (here): train 1",
        "          validation: none",
        "Not used  nothing",
        "Epoch     1 step of 1 sample",
    ]


def test_records_that_are_never_visited_are_told() -> None:
    lines = summary.found({"train": [9]}, origin="here", never=2)
    assert lines[-1] == "Weights   0 for 2 training records: never visited"


def test_records_to_predict_have_no_classes_and_no_validation() -> None:
    lines = summary.found({"test": [60]}, origin="there")
    assert lines == ["Data      60 records (there): test 60", "Not used  nothing"]


def test_of_many_reasons_the_first_are_told_and_the_rest_is_counted() -> None:
    unused = [Unused(2, "x", f"reason {number}") for number in range(20)]
    lines = summary.not_used(unused)
    assert len(lines) == summary.SHOWN + 1
    assert lines[-1] == "          24 more for other reasons"


def test_what_steers_a_terminal_is_spelled_out() -> None:
    (line,) = summary.not_used([Unused(1, "a\x1b[2Jb\r.jpg", "not a picture")])
    assert r"a\x1b[2Jb\r.jpg" in line


def test_the_report_has_the_same() -> None:
    found = summary.reported({"train": [3, 4]}, "none", [Unused(1, "a", "b")])
    assert found == {
        "records": {"train": 7},
        "validation": "none",
        "unused": [{"count": 1, "first": "a", "reason": "b"}],
    }
