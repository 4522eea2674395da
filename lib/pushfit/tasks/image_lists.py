"""Photos that a list names, with the class of each (`list_rows` has its form).

- A path is relative to the links folder, wherever the list lies. It may also name a file in a tar
  file, as the records of `tar_shards` do. A label is the name of a class, or its number.
- split is train, val (valid, validation) or test. Without that column all photos are trained on,
  and a share of each class is held out.
- A column size, in bytes, spares a look at each file.
- Mistakes are collected, and the message has the lines of the first ones.
"""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pushfit.errors import DataError, trouble
from pushfit.layout import TEST_FOLDER, TRAIN_FOLDERS, VAL_FOLDERS
from pushfit.tasks import tar_headers, tar_shards
from pushfit.tasks.base import TEST, TRAIN, VAL, DataSet, Record, RecordTable
from pushfit.tasks.folders import Leftovers
from pushfit.tasks.labelled_records import LabelledRecords
from pushfit.tasks.list_rows import ENDINGS, Mistakes, Row, has_splits, rows
from pushfit.tasks.selection import Selection
from pushfit.text import one_line

SPLITS = {"": TRAIN, TRAIN: TRAIN, **dict.fromkeys(VAL_FOLDERS, VAL), TEST: TEST}
MOST_CLASSES = 100_000
MOST_LABEL = 200  # characters of a class
MOST_PATH = 4000  # characters of a path
SHOWN = 60  # most characters of a value in a message


class Photo(NamedTuple):
    """A row that was found to be right. size: in bytes. label: ``""`` if it is not needed."""

    split: str
    path: str
    size: int
    label: str


class Wrong(Exception):
    """A row cannot be used. Its text says why."""


def only(links: Path) -> str:
    """The name of the list in `links`, if there is no folder train; ``""``: there is none.

    Raises DataError if there are several.
    """
    if os.path.lexists(links / TRAIN_FOLDERS[0]):
        return ""
    found = _lists(links)
    if len(found) > 1:
        raise DataError(
            f"{links} has several lists of photos ({', '.join(found[:5])}): say which one with "
            f"--list, such as --list {found[0]}"
        )
    return found[0] if found else ""


def only_for_test(links: Path) -> str:
    """The name of the list in `links` that may have photos to predict; ``""``: there is none.

    It is the only list of a folder without train and test, and has a column split: a table beside
    loose photos is something else.
    """
    if any(os.path.lexists(links / name) for name in (TRAIN_FOLDERS[0], TEST_FOLDER)):
        return ""
    found = _lists(links)
    return found[0] if len(found) == 1 and has_splits(links / found[0]) else ""


def _lists(links: Path) -> list[str]:
    return sorted(
        entry.name
        for entry in os.scandir(links)
        if entry.name.lower().endswith(ENDINGS) and entry.name[0] != "." and entry.is_file()
    )


def scan(
    links: Path,
    name: str,
    listed: Sequence[str],
    held_out: float,
    selection: Selection,
) -> DataSet:
    """The data set that the file `name` in `links` lists. Raises DataError.

    Its arguments are those of `layouts.scan`.
    """
    left, records = Leftovers(), LabelledRecords(f"the list {name}")
    for photo in _photos(links, name, (TRAIN, VAL)):
        if reason := selection.refuses(photo.path):
            left.add(photo.path, reason)
        else:
            records.add(*photo)
    for entry, reason in selection.unmatched():
        left.add(entry, reason)
    return records.data_set(listed, held_out, left.listed(), f"the split val of the list {name}")


def scan_test(links: Path, name: str) -> DataSet:
    """The photos of the split test, in the order of their rows. Raises DataError."""
    photos = _photos(links, name, (TEST,))
    records = RecordTable.of(Record(photo.path, photo.size, 0) for photo in photos)
    if not len(records):
        raise DataError(f"the list {name} has no photos to predict: give rows the split test")
    return DataSet(("unlabelled",), {TEST: records})


def _photos(links: Path, name: str, splits: Collection[str]) -> Iterator[Photo]:
    """The photos of these splits. Raises DataError, after the last one if rows have mistakes."""
    mistakes, reader = Mistakes(name), _Reader(links, name, splits)
    hashes = array("q")  # of the paths: to keep these would take ten times the memory
    try:
        for row in rows(links / name, mistakes):
            try:
                photo = reader.photo(row)
            except Wrong as error:
                mistakes.add(row.line, str(error))
                continue
            if photo is not None:
                hashes.append(hash(photo.path))
                yield photo
    except FileNotFoundError:
        raise DataError(
            f"--list {name}: there is no such file in {links}: give its path from there"
        ) from None
    mistakes.check()
    ordered = np.sort(np.frombuffer(hashes, np.int64))
    double = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if not double:
        return
    lines: dict[str, int] = {}
    for row in rows(links / name, mistakes):
        path = _path(row.path) if _split(row.split) in splits else ""
        if path and hash(path) in double and (first := lines.setdefault(path, row.line)) < row.line:
            mistakes.add(row.line, f"{_short(path)} is also in line {first}: list each photo once")
    mistakes.check()


class _Reader:
    """Turns rows into photos."""

    def __init__(self, links: Path, name: str, splits: Collection[str]) -> None:
        self._links, self._folder, self._splits = links, (links / name).parent, splits
        self._labels: dict[Any, str] = {}

    def photo(self, row: Row) -> Photo | None:
        """The photo of a row; None: it is of another split. Raises Wrong, DataError."""
        split = _split(row.split)
        if split not in self._splits:
            return None
        path = _path(row.path)
        label = "" if split == TEST else self._label(row.label)
        return Photo(split, path, self._size(path, row.size), label)

    def _label(self, said: Any) -> str:
        known = self._labels.get(said) if isinstance(said, str | int) else None
        if known is not None and not isinstance(said, bool):
            return known
        label = self._labels[said] = _label(said)
        if len(self._labels) > MOST_CLASSES:
            raise DataError(
                f"the list has more than {MOST_CLASSES:,} different labels, so they are not "
                "classes: write a task of your own (docs/your-own-task.md)"
            )
        return label

    def _size(self, path: str, said: Any) -> int:
        if said not in (None, ""):
            try:
                size = int(str(said))
            except ValueError:
                size = -1
            if not 0 < size < 2**53:
                raise Wrong(f"its size {_short(said)} is not a number of bytes above 0")
            return size
        try:
            if where := tar_shards.member(path):
                found = tar_headers.size_at(self._links / where.archive, where.offset)
                if found is None:
                    raise Wrong(f"no file begins at byte {where.offset} of {where.archive}")
                size = found
            else:
                status = os.stat(f"{self._links}/{path}")  # noqa: PTH116  # of each of a million
                if not stat.S_ISREG(status.st_mode):
                    raise Wrong(f"{self._links / path} is not a file")
                size = status.st_size
        except FileNotFoundError:
            raise Wrong(f"{_short(path)} is not in {self._links}{self._meant(path)}") from None
        except OSError as error:
            raise Wrong(f"{self._links / path}: {trouble(error)}") from error
        if not size:
            raise Wrong(f"{_short(path)} is empty: copy it again, or take it off the list")
        return size

    def _meant(self, path: str) -> str:
        """What to do about a path that does not lead to a file."""
        if "\\" in path and (self._links / path.replace("\\", "/")).is_file():
            return ": write / instead of \\"
        if self._folder != self._links and (self._folder / path).is_file():
            told = f", but it is in {self._folder}: paths are relative to the links folder, not to"
            below = os.path.relpath(self._folder, self._links)
            if below.startswith(".."):
                return f"{told} the list"
            return f"{told} the list, so write {_short(f'{below}/{path}')}"
        return ": paths are relative to the links folder; correct it, or take it off the list"


def _split(said: Any) -> str:
    split = SPLITS.get(said) if isinstance(said, str) else TRAIN if said is None else None
    if split is None:
        split = SPLITS.get(str(said).strip().lower())
    if split is None:
        raise Wrong(f"there is no split {_short(said)}; write {TRAIN}, {VAL} or {TEST}")
    return split


def _path(said: Any) -> str:
    if not isinstance(said, str) or not said.strip():
        raise Wrong("it has no path")
    path = said.removeprefix("./")
    if not _is_below(path):
        raise Wrong(f"{_short(said)} must be a path below the links folder, without . and ..")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise Wrong(f"{_short(said)} has characters that no name can have") from None
    return path


def _is_below(path: str) -> bool:
    if path.startswith("/") or "\0" in path or len(path) > MOST_PATH:
        return False
    return "." not in (parts := path.split("/")) and ".." not in parts and "" not in parts


def _label(said: Any) -> str:
    label = str(said).strip() if isinstance(said, str | int) and not isinstance(said, bool) else ""
    if not label:
        given = "" if said in (None, "") else f" that is a text or a whole number ({_short(said)})"
        raise Wrong(f"it has no label{given}; only photos of the split test may have none")
    if ";" in label:
        raise Wrong(
            f"several labels are not read yet: {_short(label)}; give each photo one, or write a "
            "task of your own (docs/your-own-task.md)"
        )
    if len(label) > MOST_LABEL or one_line(label) != label:
        raise Wrong(f"the label {_short(label)} is too long, or has characters that are not shown")
    return label


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
