"""CSV files of answers: no cell is a formula, and all are read back as they were."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.predicting import table
from tests.support.names import UTF8

NAMES = UTF8 | st.text(st.sampled_from("=+-@\t\r\n'\"(|!,x0＝"))


@given(rows=st.lists(st.tuples(NAMES, NAMES), max_size=5))
def test_names_are_read_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("table") / "out.csv"
    table.write(path, ("fname", "camera"), rows)
    assert table.read(path) == [["fname", "camera"], *map(list, rows)]


@pytest.mark.parametrize(
    "name",
    ["=1+1", "@SUM(1)", "-2+3+cmd|' /C calc'!A0", '+HYPERLINK("http://x")', "\t=1", "\r=1", "''=1"],
)
def test_a_name_that_a_spreadsheet_would_compute_begins_with_an_apostrophe(
    tmp_path: Path, name: str
) -> None:
    table.write(tmp_path / "out.csv", ("fname", name), [(name, "x")])
    with (tmp_path / "out.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["fname", f"'{name}"], [f"'{name}", "x"]]


@pytest.mark.parametrize("name", ["-1", "+0.5", "1e-05", "-nan", "-aB3_x.jpg", "'tis.jpg", "a=b"])
def test_numbers_and_names_that_call_nothing_stay_as_they_are(tmp_path: Path, name: str) -> None:
    table.write(tmp_path / "out.csv", ("fname", "value"), [(name, name)])
    assert (tmp_path / "out.csv").read_text() == f"fname,value\n{name},{name}\n"
    assert table.read(tmp_path / "out.csv")[1] == [name, name]


def test_a_file_of_others_with_a_mark_at_its_start_is_read(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_bytes("\ufefffname,camera\r\n\r\n'tis.jpg,x\r\n".encode())
    assert table.read(tmp_path / "out.csv") == [["fname", "camera"], ["'tis.jpg", "x"]]
