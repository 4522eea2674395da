"""Images in a CSV table, a row each, such as Kaggle's digit-recognizer. They become IDX files.

    label,pixel0,pixel1,…,pixel783      train.csv; pixels row by row from the upper left, 0 to 255
    pixel0,pixel1,…,pixel783            test.csv: no labels

- Other tables are accepted, too: see `csv_columns` for the possible columns. A table may be
  gzipped, whatever its name, in UTF-8 or UTF-16, with any line ends, and with quotes.
- The first process that needs a table reads it, a thousand rows at a time, so that it may be larger
  than memory. All others wait, and map the files that it wrote (`idx`): one copy for each host.
- The files are in `~/.cache/pushfit`, or below `XDG_CACHE_HOME`, in a folder whose name follows
  from the table's path, size and time of change. The folder is renamed to that when it is complete.
  The process that writes holds a lock. The cache may be deleted at any time.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import logging
import os
import re
import shutil
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain, islice
from pathlib import Path

import numpy as np

from pushfit import archives, regular
from pushfit.errors import DataError, trouble
from pushfit.files import sync
from pushfit.host import cache, lock
from pushfit.tasks.digits import csv_columns, idx
from pushfit.tasks.digits.csv_columns import Columns

ROWS = 1000  # rows that are read at once
MOST = 255  # the largest pixel or label
WAITING_SECONDS = 10.0  # between two log lines while another process reads the table
_FORMAT = "2"  # version of the cached files; with a new version they are made again
_NOTE = re.compile(r'"?sep=.?"?\s*$')
_NUMBERS = b'0123456789 \r\n"'  # the characters of a row, besides separators
_MARKS = (  # byte order marks, which tell the encoding of a table; the longest first
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_REMEDY = {
    True: "write the classes as the numbers 0, 1, 2, …",
    False: "scale all pixels to 0 (black) to 255 (white) and round them, as MNIST's are",
}

log = logging.getLogger("pushfit.tasks")


def find(folder: Path, name: str) -> Path | None:
    """`folder/name.csv`, as `idx.find` finds a file. Raises DataError."""
    return idx.find(folder, f"{name}.csv")


def load(path: Path, side: int, *, labelled: bool) -> tuple[np.ndarray, np.ndarray]:
    """(images (n, side, side), labels (n,), or (0,) if it has none), uint8, read-only, mapped.

    labelled: refuse a table without labels.

    Raises DataError, which names the file, and the line and column if possible.
    """
    try:
        status = path.stat()
        key = (_FORMAT, path.resolve(), status.st_size, status.st_mtime_ns, side, labelled)
        kept = cache() / hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        if not kept.is_dir():
            with _alone(kept, path):
                if not kept.is_dir():
                    _convert(path, side, labelled, kept)
    except OSError as error:
        raise DataError(
            f"{path} is read once and kept in {cache()}, which failed: {error}. It takes a byte "
            "for each pixel there; set XDG_CACHE_HOME to a writable folder with enough space"
        ) from error
    return idx.load(kept / "images", idx.IMAGES), idx.load(kept / "labels", idx.LABELS)


@contextmanager
def _alone(kept: Path, path: Path) -> Iterator[None]:
    """Wait until no other process makes `kept`, and log that now and then."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    said = time.monotonic()
    with kept.with_suffix(".lock").open("a") as file:
        while lock(file.fileno(), Path(file.name)) is False:
            time.sleep(0.05)
            if time.monotonic() - said > WAITING_SECONDS:
                said = time.monotonic()
                log.info("waiting for another process of this host that reads %s", path)
        yield


def _convert(path: Path, side: int, labelled: bool, kept: Path) -> None:
    """Make the folder `kept`: images and, if the table has them, labels."""
    # The process id in the name matters on a file system without locks. With locks, this process
    # holds the lock, so leftovers of killed processes are not in use and may be removed.
    part = kept.with_suffix(f".{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        with ExitStack() as stack:
            table = stack.enter_context(_opened(path))
            number, first = _first(path, table)
            found = _columns(path, number, first, side, labelled)
            images = stack.enter_context((part / "images").open("wb"))
            labels = stack.enter_context((part / "labels").open("wb"))
            images.write(idx.head(0, side, side))
            labels.write(idx.head(0))
            count = 0
            lines = table if found.header else chain([first], table)
            known = np.zeros(MOST + 1, bool)
            for rows in _rows(path, lines, number + found.header, found):
                if found.label is not None:
                    known[rows[:, found.label]] = True
                    labels.write(rows[:, found.label].tobytes())
                    rows = np.delete(rows, found.label, axis=1)
                images.write(rows.tobytes())
                count += len(rows)
            if labelled and not found.header and count > 1 and known.sum() == 1:
                raise DataError(
                    f"{path} has no line of names, and {known.argmax()} in the first column of all "
                    "its lines: if the label is in another one, name the columns in a first line, "
                    "pixel0,pixel1,…,label"
                )
            images.seek(0)
            images.write(idx.head(count, side, side))
            labels.seek(0)
            labels.write(idx.head(count * (found.label is not None)))
        sync(part / "images")
        sync(part / "labels")
        with suppress(FileExistsError):  # without locks, another process may have been faster
            part.rename(kept)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[str]]:
    """The lines of the table. Raises DataError."""
    with _readable(path):
        opened = regular.opened(path)
    with opened as file:
        start = file.peek(4)
        if start.startswith(archives.ZIP):
            raise DataError(archives.misnamed(path))
        plain = gzip.GzipFile(fileobj=file) if start.startswith(idx.GZIP) else file
        with _readable(path):
            encoding = _encoding(plain.peek(4))
        with io.TextIOWrapper(plain, encoding, "replace") as text:
            yield text


def _encoding(start: bytes) -> str:
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    if b"\0" in start[:2]:  # UTF-16 without a mark: names and numbers have one byte that is not 0
        return "utf-16-be" if start.startswith(b"\0") else "utf-16-le"
    return "utf-8-sig"


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn errors of reading the table into DataErrors, as the cache is not to blame."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is cut short or broken ({error}): copy it again") from error
    except OSError as error:
        raise DataError(trouble(OSError(error.errno, error.strerror, str(path)))) from error


def _lines(path: Path, table: Iterator[str], count: int) -> list[str]:
    with _readable(path):
        return list(islice(table, count))


def _first(path: Path, table: Iterator[str]) -> tuple[int, str]:
    """(number, text) of the first line that is not empty and not Excel's note of the separator."""
    number = 1
    while lines := _lines(path, table, 1):
        if not lines[0].isspace() and not _NOTE.match(lines[0]):
            return number, lines[0]
        number += 1
    raise DataError(f"{path} is empty: was it being written, or is the disk full? Copy it again")


def _columns(path: Path, number: int, line: str, side: int, labelled: bool) -> Columns:
    where = f"{path}, line {number}"
    try:
        found = csv_columns.find(line, side)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None
    if labelled and found.label is None:
        raise DataError(f"{where}: no column 'label': is it the table without labels, test.csv?")
    return found


def _rows(path: Path, table: Iterator[str], line: int, found: Columns) -> Iterator[np.ndarray]:
    """Arrays (up to ROWS, used columns) uint8. line: the number of the first row's line."""
    while lines := _lines(path, table, ROWS):
        filled = [text for text in lines if not text.isspace()]
        try:
            if filled:
                yield _numbers(filled, found)
        except ValueError as error:
            raise DataError(_complaint(path, lines, line, found)) from error
        line += len(lines)


def _numbers(lines: Sequence[str], found: Columns) -> np.ndarray:
    """(rows, columns) uint8. Raises ValueError for anything but whole numbers from 0 to 255."""
    separator, skipped = found.separator, found.skipped
    if skipped:
        lines = [line.split(separator, skipped)[-1] for line in lines]
    # numpy before 2.3 reads 0.98 as 0, and a negative or large number modulo 256. So signs and
    # points are refused before, and the type is wide enough to show numbers that are too large.
    if "".join(lines).encode().translate(None, _NUMBERS + separator.encode()):
        raise ValueError("more than whole numbers")
    rows = np.loadtxt(lines, np.int64, None, separator, ndmin=2, quotechar='"')
    if rows.shape[1] != len(found.names) - skipped:
        raise ValueError("another number of columns")
    if rows.min() < 0 or rows.max() > MOST:
        raise ValueError("more than a byte holds")
    return rows.astype(np.uint8)


def _complaint(path: Path, lines: Sequence[str], first: int, found: Columns) -> str:
    """A sentence about the first line that is not a row of numbers from 0 to 255."""
    for number, line in enumerate(lines, first):
        if line.isspace():
            continue
        where, values = f"{path}, line {number}", found.values(line)
        if len(values) != len(found.names):
            return (
                f"{where}: {len(values)} values instead of {len(found.names)}; was the file cut "
                "short?"
            )
        for column in range(found.skipped, len(values)):
            name, text = found.names[column], values[column]
            if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= MOST):
                return (
                    f"{where}, column {name!r}: {text[:40]!r} is not a whole number from 0 to "
                    f"{MOST}: {_REMEDY[column - found.skipped == found.label]}"
                )
    return f"{path}, lines {first} to {first + len(lines) - 1}: not a table of numbers"
