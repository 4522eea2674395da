"""The rows of a list of photos: a CSV file whose first line names its columns, or JSON Lines.

    path,label,split,size             {"path": "a/1.jpg", "label": "cat", "split": "train"}
    a/1.jpg,cat,train,10240           …

path may also be called image, file or filename, and label class. Upper and lower case do not count.
Further columns are not read.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pushfit import archives, regular
from pushfit.errors import DataError, nearest, trouble

CSV, JSON_LINES = (".csv",), (".jsonl", ".ndjson")
ENDINGS = (*CSV, *JSON_LINES)
NAMES = {
    "path": ("path", "image", "file", "filename"),
    "label": ("label", "class"),
    "split": ("split",),
    "size": ("size",),
}
SHOWN = 3  # mistakes that a message lists
ENOUGH = 1000  # mistakes after which no more are looked for


class Row(NamedTuple):
    """The values of a row as they are written; None: the row has no such value.

    line: number of the line in the file on which the row ends, from 1 on.
    """

    line: int
    path: Any
    label: Any
    split: Any
    size: Any


class Mistakes:
    """The mistakes in the rows of a file: the first ones, and how many there are.

    name: of the file, for the message.
    """

    def __init__(self, name: str) -> None:
        self._name, self._count, self._first = name, 0, list[str]()

    def add(self, line: int, what: str) -> None:
        """Note a mistake. Raises DataError if there are so many that no more are of interest."""
        self._count += 1
        if len(self._first) < SHOWN:
            self._first.append(f"line {line}: {what}")
        if self._count == ENOUGH:
            self.check()

    def check(self) -> None:
        """Raise DataError if there are mistakes."""
        if not self._count:
            return
        more = self._count - len(self._first)
        least = "at least " if self._count == ENOUGH else ""
        others = f"; and {least}{more:,} more rows with a mistake" if more else ""
        raise DataError(f"{self._name}, {'; '.join(self._first)}{others}")


def rows(path: Path, mistakes: Mistakes) -> Iterator[Row]:
    """The rows of a list.

    mistakes: takes the rows that cannot be read.
    Raises DataError if the file is not a list, or not UTF-8; FileNotFoundError.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise DataError(f"{path} is not a list: that is a file that ends in {', '.join(ENDINGS)}")
    try:
        with regular.opened(path) as file:
            head = file.read(4)
        if head.startswith(archives.ZIP):
            raise DataError(archives.misnamed(path))
        yield from (_csv_rows if ending in CSV else _json_rows)(path, mistakes)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error.reason}): save it as UTF-8") from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read: {trouble(error)}") from error


def has_splits(path: Path) -> bool:
    """Return whether the first row of a list has a split. A file that is not a list has none."""
    try:
        first = next(rows(path, Mistakes(path.name)), None)
    except (DataError, OSError):
        return False
    return first is not None and first.split is not None


def _csv_rows(path: Path, mistakes: Mistakes) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.reader(file, strict=True)
        try:
            names = next(table, [])
            pick = _picked(names, f"{path.name}, line 1")
            for values in table:
                if len(values) == len(names):
                    yield Row(table.line_num, *pick(values))
                elif values:
                    mistakes.add(
                        table.line_num,
                        f"it has {len(values)} values, and the first line names {len(names)} "
                        "columns; put values with a comma in quotes",
                    )
        except csv.Error as error:
            mistakes.check()
            raise DataError(f"{path.name}, line {table.line_num}: {error}") from error


def _json_rows(path: Path, mistakes: Mistakes) -> Iterator[Row]:
    known: dict[tuple[str, ...], Callable[[Sequence[Any]], list[Any]]] = {}
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                mistakes.add(number, f"it is not JSON ({error})")
                continue
            if not isinstance(row, dict):
                mistakes.add(number, 'it is not an object such as {"path": "a.jpg", …}')
                continue
            names = tuple(row)
            if (pick := known.get(names)) is None:
                pick = _picked(names, f"{path.name}, line {number}")
                if len(known) < ENOUGH:
                    known[names] = pick
            yield Row(number, *pick([*row.values()]))


def _picked(names: Sequence[str], where: str) -> Callable[[Sequence[Any]], list[Any]]:
    """A function that picks path, label, split and size from the values of a row."""
    plain = [name.strip().lower() for name in names]
    places: list[int | None] = []
    for meant, called in NAMES.items():
        found = [place for place, name in enumerate(plain) if name in called]
        exact = [place for place in found if plain[place] == meant]
        found = exact or found
        if len(found) > 1:
            two = " and ".join(repr(names[place]) for place in found[:2])
            raise DataError(f"{where}: the columns {two} may both be the {meant}; rename one")
        places.append(found[0] if found else None)
    path, label, split, _ = places
    if path is None or (label is None and split is None):
        lacking = "path" if path is None else "label"
        raise DataError(
            f"{where}: there is no {lacking!r} among "
            f"{', '.join(map(repr, names[:8])) or 'none'}{nearest(lacking, plain)}; a list has "
            "path, label and, if you like, split and size"
        )
    return lambda values: [None if place is None else values[place] for place in places]
