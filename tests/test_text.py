"""Text of others, as it is shown and as it is written a line a record."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.text import as_line, as_lines, from_line, json_line, one_line, printable, set_in
from tests.support.names import NAMES

BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


@given(NAMES)
def test_a_name_is_one_line_and_printable_text_is_left_alone(name: str) -> None:
    shown = one_line(name)
    assert len(shown.splitlines()) <= 1 and shown == printable(shown)
    if name.isprintable():
        assert shown == name


@pytest.mark.parametrize("sign", [*BREAKS, "\x1b", "\u202e", "\u200f", "\ufeff", "\U000e0041"])
def test_what_steers_a_terminal_or_turns_text_is_spelled_out(sign: str) -> None:
    assert one_line(f"a{sign}b").isprintable()


def test_no_text_of_others_begins_a_line() -> None:
    assert as_lines(["class a\nerror: b", "c"]) == "class a\\nerror: b\nc"
    assert set_in("3 bad\n  a\nerror: b", 2) == "3 bad\n    a\n  error: b"


@given(st.dictionaries(NAMES, NAMES | st.integers()))
def test_a_row_is_one_line_in_any_reader_and_is_read_back_as_it_was(row: dict[str, object]) -> None:
    line = json_line(row)
    assert line.splitlines() == [line[:-1]]
    assert json.loads(line.encode()) == row


@given(NAMES)
def test_a_line_of_a_list_is_read_back_as_it_was(name: str) -> None:
    line = as_line(name)
    assert line.splitlines() == [line] and line.strip() == line and line.encode()
    assert from_line(line) == name


@pytest.mark.parametrize("line", ['"', '"a\t12', '"a" b', "a", "[1]"])
def test_a_line_that_only_looks_quoted_is_what_it_is(line: str) -> None:
    assert from_line(line) == line


def test_letters_stay_readable() -> None:
    assert json_line({"path": "köter/猫.jpg"}) == '{"path": "köter/猫.jpg"}\n'
