"""IDX files, as MNIST comes in: unsigned bytes in one or three dimensions, gzipped or not.

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
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from lib.errors import DataError

_UINT8 = 0x08
LABELS, IMAGES = 1, 3  # dimensions of a file of them
_NAMES = {LABELS: "labels", IMAGES: "images"}


def find(folder: Path, name: str) -> Path | None:
    """`folder/name`, or `folder/name.gz`; None where there is neither. Raises DataError."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_symlink() and not path.exists():
            raise DataError(
                f"{path} is a dangling link: its target {path.readlink()} is not on this host; "
                f"point it to the file with `ln -sfn /path/to/{path.name} {path}`"
            )
        if path.exists():
            return path
    return None


def load(path: Path, dimensions: int) -> np.ndarray:
    """The values, uint8, read-only. dimensions: LABELS or IMAGES, (n, height, width).

    Raises DataError, naming the file, where it is not such a file, whole and without more.
    """
    try:
        with _open(path) as file:
            shape, head = _head(path, file, dimensions)
            count = math.prod(shape)
            if path.suffix == ".gz":
                content = file.read(count + 1)  # more is never unpacked
                length = head + len(content)
            else:
                content, length = b"", path.stat().st_size
            if length != head + count:
                what = "cut short" if length < head + count else "longer than that"
                raise DataError(
                    f"{path} says that it has {head + count:,} bytes, and is {what}: copy it again"
                )
            if content or not count:
                return np.frombuffer(content, np.uint8).reshape(shape)
            return np.memmap(path, np.uint8, "r", head, shape)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}; copy it again") from error


def head(*shape: int) -> bytes:
    """What a file of values of this shape begins with."""
    return bytes((0, 0, _UINT8, len(shape))) + struct.pack(f">{len(shape)}I", *shape)


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _head(path: Path, file: BinaryIO, dimensions: int) -> tuple[tuple[int, ...], int]:
    """(shape, bytes of the head)"""
    length = 4 + 4 * dimensions
    head = file.read(length)
    if len(head) < length or head[:4] != bytes((0, 0, _UINT8, dimensions)):
        raise DataError(
            f"{path} begins with {head[:4].hex(' ') or 'nothing'}, not with "
            f"00 00 08 {dimensions:02x} as IDX {_NAMES[dimensions]} do: is it another file, "
            "or a page that a download left?"
        )
    return struct.unpack(f">{dimensions}I", head[4:]), length
