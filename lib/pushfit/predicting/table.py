"""CSV files of answers that are read back unchanged, whatever characters names have.

A spreadsheet computes a cell that begins with = @ + or -, a tab or a line break, and the name of a
file or a class could so call a program. Such a cell gets an apostrophe in front, as OWASP
recommends, and `read` removes it. A cell that begins with + or - gets it only if it also has a sign
of a call: numbers stay numbers, and many names of photos begin with such a sign.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pushfit.runs.outputs import write_text

# Brackets, pipes and exclamation marks call a function, a program (DDE) or another sheet.
_FORMULA = re.compile(r"'*([=@＝＠\t\r\n]|[+\-＋－].*[(|!])", re.DOTALL)
_QUOTED = re.compile(r'[,"\r\n]')


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Raises OutputError."""
    text = io.StringIO()
    for row in (header, *rows):
        text.write(",".join(map(_cell, row)) + "\n")
    write_text(path, text.getvalue())


def _cell(text: str) -> str:
    text = f"'{text}" if _FORMULA.match(text) else text
    # Python's own writer does not quote a carriage return, which readers take for a row's end.
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def read(path: Path) -> list[list[str]]:
    """The rows that are not empty. Raises OSError, UnicodeDecodeError and csv.Error."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [[_plain(cell) for cell in row] for row in csv.reader(file) if row]


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
