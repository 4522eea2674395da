"""Images in a CSV table, a row each, as Kaggle's digit-recognizer has them: made into IDX files.

    label,pixel0,pixel1,…,pixel783      train.csv; pixels row by row from the upper left, 0 to 255
    pixel0,pixel1,…,pixel783            test.csv: no labels

- The first process that needs a table reads it, a thousand rows at a time, so that it may be larger
  than memory. All others wait for it, and map what it wrote (`idx`): one copy a host.
- That lies in `~/.cache/pushfit`, or where `XDG_CACHE_HOME` says, in a folder whose name follows
  from the table's path, size and time of change. It is renamed into place when it is whole. Who
  writes holds a lock that ends with its process. The cache may be deleted at any time.
- Gzipped or not, whatever the file is called; with Windows line ends and a byte order mark, too.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import io
import logging
import math
import os
import shutil
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TextIO, cast

import numpy as np

from lib.errors import DataError
from lib.files import sync
from lib.tasks import idx

ROWS = 1000  # read at once
LABEL = "label"
WAITING_SECONDS = 10.0  # between two lines of a process that waits for another to read the table
_GZIP, _ZIP = b"\x1f\x8b", b"PK"
_FORMAT = "1"  # of what is kept: another one makes it anew

log = logging.getLogger("pushfit.tasks")


def find(folder: Path, name: str) -> Path | None:
    """`folder/name.csv` or its `.gz`; None where there is neither. Raises DataError."""
    return idx.find(folder, f"{name}.csv")


def load(path: Path, side: int, *, labelled: bool) -> tuple[np.ndarray, np.ndarray]:
    """(images (n, side, side), labels (n,) or, where it has none, (0,)), uint8, read-only, mapped.

    Raises DataError, naming the file, and line and column where there are such.
    """
    try:
        status = path.stat()
        key = (_FORMAT, path.resolve(), status.st_size, status.st_mtime_ns, side)
        kept = cache() / hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        if not kept.is_dir():
            with _alone(kept, path):
                if not kept.is_dir():
                    _convert(path, side, labelled, kept)
    except OSError as error:
        raise DataError(
            f"{path} is read once and kept in {cache()}, which failed: {error}. It takes a byte a "
            "pixel there; set XDG_CACHE_HOME to a folder that is writable and has the room"
        ) from error
    return idx.load(kept / "images", idx.IMAGES), idx.load(kept / "labels", idx.LABELS)


def cache() -> Path:
    """The folder for what is made of data once."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pushfit"


@contextmanager
def _alone(kept: Path, path: Path) -> Iterator[None]:
    """Wait until no other process makes `kept`. Says so now and then."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    said = time.monotonic()
    with kept.with_suffix(".lock").open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.05)
                if time.monotonic() - said > WAITING_SECONDS:
                    said = time.monotonic()
                    log.info("another process of this host reads %s: waiting for it", path)
        yield


def _convert(path: Path, side: int, labelled: bool, kept: Path) -> None:
    """Make the folder `kept`: images and, where the table has them, labels."""
    part = kept.with_suffix(".part")
    # One that a killed process left is in nobody's use: who is here holds the lock.
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        with ExitStack() as stack:
            table = stack.enter_context(_opened(path))
            _check_header(path, "".join(_lines(path, table, 1)), side, labelled)
            images = stack.enter_context((part / "images").open("wb"))
            labels = stack.enter_context((part / "labels").open("wb"))
            images.write(idx.head(0, side, side))
            labels.write(idx.head(0))
            count = 0
            for rows in _rows(path, table, side * side + labelled, labelled):
                images.write(rows[:, labelled:].tobytes())
                labels.write(rows[:, :labelled].tobytes())
                count += len(rows)
            images.seek(0)
            images.write(idx.head(count, side, side))
            labels.seek(0)
            labels.write(idx.head(count * labelled))
        sync(part / "images")
        sync(part / "labels")
        part.rename(kept)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """The table as text. Raises DataError."""
    with path.open("rb") as file:
        start = file.read(2)
        file.seek(0)
        if start == _ZIP:
            raise DataError(f"{path} is a zip archive, not a table: unpack it with `unzip {path}`")
        plain = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if start == _GZIP else file
        with io.TextIOWrapper(plain, "utf-8-sig", "replace") as text:
            yield text


def _check_header(path: Path, line: str, side: int, labelled: bool) -> None:
    names = [name.strip().strip('"') for name in line.split(",")]
    wanted = [LABEL] * labelled + [f"pixel{number}" for number in range(side * side)]
    if names == wanted:
        return
    missing = [name for name in wanted if name not in names]
    extra = [name for name in names if name not in wanted]
    pixels = sum(name.startswith("pixel") for name in names)
    if LABEL in missing:
        problem = "no column 'label': is it the table without labels, test.csv?"
    elif pixels != side * side and math.isqrt(pixels) ** 2 == pixels >= 64:
        problem = f"{pixels} pixels a row, not {side} x {side}: give --side {math.isqrt(pixels)}"
    elif missing:
        others = f" (nor {len(missing) - 1} others)" if len(missing) > 1 else ""
        problem = f"no column {missing[0]!r}{others}"
    else:
        problem = f"unknown column {extra[0]!r}" if extra else "columns in another order"
    raise DataError(f"{path}, line 1: {problem}; a table begins with {','.join(wanted[:3])},…")


def _rows(path: Path, table: TextIO, columns: int, labelled: bool) -> Iterator[np.ndarray]:
    """(up to ROWS, columns) uint8 each."""
    line = 2
    while lines := _lines(path, table, ROWS):
        filled = [text for text in lines if not text.isspace()]
        try:
            if filled:
                rows = np.loadtxt(filled, np.uint8, None, ",", ndmin=2, quotechar='"')
                if rows.shape[1] != columns:
                    raise ValueError("another number of columns")
                yield rows
        except ValueError as error:
            raise DataError(_complaint(path, lines, line, columns, labelled)) from error
        line += len(lines)


def _lines(path: Path, table: TextIO, count: int) -> list[str]:
    try:
        return list(islice(table, count))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is cut short or broken ({error}): copy it again") from error


def _complaint(path: Path, lines: Sequence[str], first: int, columns: int, labelled: bool) -> str:
    """What is wrong, and where, with the first line that is no row of numbers from 0 to 255."""
    for number, line in enumerate(lines, first):
        if line.isspace():
            continue
        where, values = f"{path}, line {number}", line.rstrip("\r\n").split(",")
        if len(values) != columns:
            return f"{where}: {len(values)} values instead of {columns}; was the file cut short?"
        for column, value in enumerate(values):
            name = LABEL if labelled and not column else f"pixel{column - labelled}"
            text = value.strip().strip('"')
            if not (text.isascii() and text.isdigit()):
                return f"{where}, column {name!r}: {text[:40]!r} is not a whole number"
            if int(text) > 255:
                return f"{where}, column {name!r}: {text[:40]} is more than 255"
    return f"{path}, lines {first} to {first + len(lines) - 1}: not a table of numbers"
