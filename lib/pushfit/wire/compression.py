"""Lossless compression of arrays for slow networks. Pure: bytes in, bytes out.

``zstd`` is Zstandard at level 1, over differences. Photos are noisy, so runs of bytes hardly repeat
in them. But a pixel is similar to the one above it, and red and blue are similar to green.

- An array of uint8 and (rows, H, W, 3) becomes the planes G, R-G and B-G; from each row of a plane
  the row above it is subtracted.
- From each row of another array of uint8 and (rows, H, W, …) the row above it is subtracted.
- Other arrays are compressed as they are.

`docs/performance.md` has the gain in speed, `docs/log.md` the alternatives that were tried. The
package zstandard is imported for the first lease that needs it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from pushfit.errors import ProtocolError
from pushfit.tasks.base import ArraySpec

LEVEL = 1
PIECE_BYTES = 2**21  # bytes filtered at a time: several samples, which fit in the CPU's cache


def pack(array: np.ndarray) -> bytes:
    """The compressed bytes of `array`, which is (rows, *shape) and C-contiguous."""
    import zstandard

    flat = np.empty(array.nbytes, np.uint8)
    done = 0
    for part in _pieces(array):
        into = flat[done : done + part.nbytes]
        if not _has_rows(array):
            into[:] = part.reshape(-1).view(np.uint8)
        else:
            _filter(part, into.reshape(_filtered(part.shape)))
        done += part.nbytes
    return zstandard.ZstdCompressor(level=LEVEL).compress(flat.data)


def unpack(frame: Any, spec: ArraySpec, rows: int, nbytes: int) -> np.ndarray:
    """(nbytes,) uint8: the raw bytes of `rows` samples of `spec`.

    Raises ProtocolError if the frame is broken, or says that it holds more or fewer bytes. The
    second is found before memory is taken for them.
    """
    import zstandard

    try:
        told = zstandard.frame_content_size(frame)
        if told != nbytes:
            raise ProtocolError(f"{spec.name}: a packed frame holds {told} bytes, not {nbytes}")
        flat = zstandard.ZstdDecompressor().decompress(
            frame, max_output_size=nbytes, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise ProtocolError(f"{spec.name}: a packed frame is broken: {error}") from error
    if len(flat) != nbytes:
        raise ProtocolError(f"{spec.name}: a packed frame holds {len(flat)} bytes, not {nbytes}")
    filtered = np.frombuffer(flat, np.uint8)
    array = np.empty((rows, *spec.shape), spec.dtype)
    if not _has_rows(array):
        return filtered
    done = 0
    for part in _pieces(array):
        _restore(filtered[done : done + part.nbytes].reshape(_filtered(part.shape)), part)
        done += part.nbytes
    return array.reshape(-1)


def _has_rows(array: np.ndarray) -> bool:
    return array.dtype == np.uint8 and array.ndim >= 3


def _pieces(array: np.ndarray) -> Iterator[np.ndarray]:
    """Views of a few samples each."""
    step = max(1, PIECE_BYTES // max(1, math.prod(array.shape[1:]) * array.itemsize))
    for first in range(0, len(array), step):
        yield array[first : first + step]


def _is_colour(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[-1] == 3


def _filtered(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the differences of an array of `shape`: (planes, H, samples, W).

    Row i of all samples lies together, so that one addition restores it in every sample.
    """
    if _is_colour(shape):
        samples, height, width, planes = shape
        return planes, height, samples, width
    return 1, shape[1], shape[0], math.prod(shape[2:])


def _filter(part: np.ndarray, into: np.ndarray) -> None:
    planes = np.empty_like(into)
    if _is_colour(part.shape):
        for plane, colour in enumerate((1, 0, 2)):
            planes[plane] = part[..., colour].transpose(1, 0, 2)
        planes[1:] -= planes[0]
    else:
        planes[0] = part.reshape(len(part), into.shape[1], into.shape[3]).transpose(1, 0, 2)
    into[:, 0] = planes[:, 0]
    np.subtract(planes[:, 1:], planes[:, :-1], out=into[:, 1:])


def _restore(part: np.ndarray, into: np.ndarray) -> None:
    planes = np.empty_like(part)
    planes[:, 0] = part[:, 0]
    for row in range(1, part.shape[1]):
        np.add(part[:, row], planes[:, row - 1], out=planes[:, row])
    if _is_colour(into.shape):
        planes[1:] += planes[0]
        for plane, colour in enumerate((1, 0, 2)):
            into[..., colour] = planes[plane].transpose(1, 0, 2)
    else:
        rows = into.reshape(len(into), part.shape[1], part.shape[3])
        rows[:] = planes[0].transpose(1, 0, 2)
