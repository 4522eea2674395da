"""Photos that a table lists: a CSV or JSON Lines file with the columns path, label and split.

    path,label,split                    {"path": "a/1.jpg", "label": "cat", "split": "train"}
    a/1.jpg,cat,train                   …
    a/2.jpg,dog,val

- A path is relative to the links folder. A label is the name of a class, or its number.
- split is train, val (valid, validation) or test. Without that column all photos are trained on,
  and a share of each class is held out.
- A column size, in bytes, spares a look at each file.
"""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pushfit import regular
from pushfit.decoding import images
from pushfit.errors import DataError, trouble
from pushfit.layout import TRAIN_FOLDERS, VAL_FOLDERS
from pushfit.tasks.base import TEST, TRAIN, VAL, DataSet, Record, RecordTable
from pushfit.tasks.folders import Leftovers
from pushfit.tasks.labelled_records import LabelledRecords
from pushfit.tasks.selection import Selection

ENDINGS = (".csv", ".jsonl", ".ndjson")
SPLITS = {TRAIN: TRAIN, **dict.fromkeys(VAL_FOLDERS, VAL), TEST: TEST}
PATH, LABEL, SPLIT, SIZE = "path", "label", "split", "size"
_SHOWN = 60  # most characters of a value in a message


def only(links: Path) -> str:
    """The name of the list in `links`, if there is no folder train; ``""``: there is none.

    Raises DataError if there are several.
    """
    if (links / TRAIN_FOLDERS[0]).exists():
        return ""
    found = sorted(
        path.name for path in links.iterdir() if path.suffix in ENDINGS and path.is_file()
    )
    if len(found) > 1:
        raise DataError(
            f"{links} has several lists of photos ({', '.join(found[:5])}): say which one with "
            f"--list, such as --list {found[0]}"
        )
    return found[0] if found else ""


def scan(
    links: Path, name: str, listed: Sequence[str], held_out: float, selection: Selection
) -> DataSet:
    """The data set that the file `name` in `links` lists. Raises DataError."""
    left, records = Leftovers(), LabelledRecords(name)
    for where, row in _rows(links, name):
        split = _split(row, where)
        if split == TEST:
            continue
        path, label = _path(row, where), _label(row, where)
        if reason := selection.refuses(path):
            left.add(path, reason)
        else:
            records.add(split, path, _size(links, row, path, where), label)
    for entry, reason in selection.unmatched():
        left.add(entry, reason)
    return records.data_set(listed, held_out, left.listed(), f"the split val of {name}")


def scan_test(links: Path, name: str) -> DataSet:
    """The photos of the split test, in the order of their rows. Raises DataError."""

    def found() -> Iterator[Record]:
        for where, row in _rows(links, name):
            if _split(row, where) == TEST:
                path = _path(row, where)
                yield Record(path, _size(links, row, path, where), 0)

    records = RecordTable.of(found())
    if not len(records):
        raise DataError(f"{name} has no photos to predict: give rows the split test")
    return DataSet(("unlabelled",), {TEST: records})


def _rows(links: Path, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(where it stands, the row by column) of each row. Raises DataError."""
    path = links / name
    if path.suffix not in ENDINGS:
        raise DataError(f"--list {name}: a list is a file that ends in {', '.join(ENDINGS)}")
    try:
        with regular.opened(path) as file:
            head = file.read(4)
        if head.startswith(b"PK\x03\x04"):
            raise DataError(f"{path} is a zip archive or a spreadsheet: save it as CSV")
        yield from (_csv_rows if path.suffix == ".csv" else _json_rows)(path)
    except FileNotFoundError:
        raise DataError(f"--list {name}: there is no such file in {links}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error.reason}): save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {trouble(error)}") from error


def _csv_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.reader(file, strict=True)
        try:
            columns = [name.strip().lower() for name in next(table, [])]
            _check_columns(columns, path)
            for row in table:
                if not row:
                    continue
                where = f"{path.name}, line {table.line_num}"
                if len(row) != len(columns):
                    raise DataError(
                        f"{where}: it has {len(row)} values, and the first line names "
                        f"{len(columns)} columns; put values with a comma in quotes"
                    )
                yield where, dict(zip(columns, row, strict=True))
        except csv.Error as error:
            raise DataError(f"{path.name}, line {table.line_num}: {error}") from error


def _json_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            where = f"{path.name}, line {number}"
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{where}: it is not JSON ({error})") from error
            if not isinstance(row, dict):
                raise DataError(f'{where}: it is not an object such as {{"{PATH}": "a.jpg", …}}')
            _check_columns([str(name) for name in row], where)
            yield where, row


def _check_columns(columns: Sequence[str], where: object) -> None:
    for name in (PATH, LABEL):
        if name not in columns and not (name == LABEL and SPLIT in columns):
            raise DataError(
                f"{where}: there is no {name!r} among {', '.join(map(repr, columns[:8])) or 'none'}"
                f"; a list has {PATH}, {LABEL} and, if you like, {SPLIT} and {SIZE}"
            )
    if len(set(columns)) < len(columns):
        raise DataError(f"{where}: two columns have the same name; rename one")


def _split(row: Mapping[str, Any], where: str) -> str:
    said = row.get(SPLIT)
    if said in (None, ""):
        return TRAIN
    split = SPLITS.get(str(said).strip().lower())
    if split is None:
        raise DataError(
            f"{where}: there is no split {_short(said)}; write {TRAIN}, {VAL} or {TEST}"
        )
    return split


def _path(row: Mapping[str, Any], where: str) -> str:
    path = row.get(PATH)
    if not isinstance(path, str) or not path.strip():
        raise DataError(f"{where}: it has no path")
    path = path.removeprefix("./")
    parts = path.split("/")
    if path.startswith("/") or ".." in parts or "" in parts or "\0" in path:
        raise DataError(
            f"{where}: {_short(path)} must be a path below the links folder, without .."
        )
    return path


def _label(row: Mapping[str, Any], where: str) -> str:
    label = row.get(LABEL)
    if isinstance(label, int) and not isinstance(label, bool):
        label = str(label)
    if not isinstance(label, str) or not label.strip():
        raise DataError(f"{where}: it has no {LABEL}; only photos of the split test may have none")
    if ";" in label:
        raise DataError(
            f"{where}: {_short(label)} are several labels, which this task does not read: give "
            "each photo one, or write a task of your own (docs/your-own-task.md)"
        )
    return label.strip()


def _size(links: Path, row: Mapping[str, Any], path: str, where: str) -> int:
    said = row.get(SIZE)
    if said not in (None, ""):
        try:
            size = int(str(said))
        except ValueError:
            size = -1
        if not 0 < size < 2**53:
            raise DataError(f"{where}: its {SIZE} {_short(said)} is not a number of bytes above 0")
        return size
    try:
        status = (links / path).stat()
    except OSError as error:
        raise DataError(
            f"{where}: {links / path}: {trouble(error)}; paths are relative to the links folder "
            f"({images.KINDS})"
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{where}: {links / path} is not a file")
    return status.st_size


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
