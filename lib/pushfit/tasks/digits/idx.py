"""IDX files, the format of MNIST: unsigned bytes in one or three dimensions, gzipped or not.

    bytes 0-1  zero          bytes 4-7, 8-11, …  a dimension each, big-endian
    byte 2     0x08: uint8   then                the values, the last dimension fastest
    byte 3     dimensions

(http://yann.lecun.com/exdb/mnist/, "the IDX file format".) A plain file is mapped into memory, so
that all generators of a host share one copy and it may be larger than memory; a gzipped one is
unpacked into the memory of each process.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pushfit import archives, regular
from pushfit.errors import DataError, trouble
from pushfit.links import some

GZIP = b"\x1f\x8b"  # the first bytes of a gzipped file
_UINT8 = 0x08
_POINT = re.compile(r"-(?=idx\d)")
LABELS, IMAGES = 1, 3  # the number of dimensions in a file of labels and of images
_NAMES = {LABELS: "labels", IMAGES: "images"}


def find(folder: Path, name: str) -> Path | None:
    """The file `name` in `folder`; None: there is no such file.

    It may be called `name`, `name.gz`, or with a point before `idx` (`train-images.idx3-ubyte`),
    and may be inside of a folder of that name, as some archives have it. Raises DataError.
    """
    pointed = _POINT.sub(".", name, count=1)
    names = list(dict.fromkeys((name, f"{name}.gz", pointed, f"{pointed}.gz")))
    empty = ""
    for path in (folder / each for each in names):
        if path.is_symlink() and not path.exists():
            raise DataError(
                f"{path} is a dangling link: its target {path.readlink()} is not on this host; "
                f"point it to the file with `ln -sfn /path/to/{path.name} {path}`"
            )
        if path.is_dir():
            if inside := next((path / each for each in names if (path / each).is_file()), None):
                return inside
            empty = f"{path} is a folder, and has no file {name} in it: put the file there"
            if archive := archives.among(some(path)):
                empty = f"{path}: {archive}"
        elif path.exists():
            return path
    if empty:
        raise DataError(empty)
    return None


def load(path: Path, dimensions: int) -> np.ndarray:
    """The values, uint8, read-only: (n,) or (n, height, width).

    dimensions: LABELS or IMAGES.
    Raises DataError, which names the file, if it is not a complete file of that kind.
    """
    try:
        with _opened(path) as file:
            shape, head = _head(path, file, dimensions)
            count = math.prod(shape)
            if isinstance(file, gzip.GzipFile):
                content = file.read(count + 1)  # no more than that is unpacked
                length = head + len(content)
            else:
                content, length = b"", path.stat().st_size
            if length != head + count:
                what = "shorter" if length < head + count else "longer"
                raise DataError(
                    f"{path} should have {head + count:,} bytes by its header, and is {what}: copy "
                    "it again"
                )
            if content or not count:
                return np.frombuffer(content, np.uint8).reshape(shape)
            return np.memmap(path, np.uint8, "r", head, shape)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} cannot be unpacked: {error}; copy it again") from error
    except OSError as error:
        raise DataError(trouble(OSError(error.errno, error.strerror, str(path)))) from error


def head(*shape: int) -> bytes:
    """The header of a file with values of this shape."""
    return bytes((0, 0, _UINT8, len(shape))) + struct.pack(f">{len(shape)}I", *shape)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | gzip.GzipFile]:
    """The file, unpacked if it is gzipped, whatever its name. Raises DataError."""
    with regular.opened(path) as file:
        start = file.peek(len(archives.ZIP))
        if start.startswith(archives.ZIP):
            raise DataError(archives.misnamed(path))
        yield gzip.GzipFile(fileobj=file) if start.startswith(GZIP) else file


def _head(
    path: Path, file: BinaryIO | gzip.GzipFile, dimensions: int
) -> tuple[tuple[int, ...], int]:
    """(shape, number of bytes of the header)"""
    length = 4 + 4 * dimensions
    head = file.read(length)
    if len(head) < length or head[:4] != bytes((0, 0, _UINT8, dimensions)):
        raise DataError(
            f"{path} begins with {head[:4].hex(' ') or 'nothing'}, not with "
            f"00 00 08 {dimensions:02x} as IDX {_NAMES[dimensions]} do: is it another file, "
            "or a page that a download left?"
        )
    return struct.unpack(f">{dimensions}I", head[4:]), length
