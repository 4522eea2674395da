"""Memory for batches: aligned, and used again.

- **Aligned** to ALIGNMENT bytes: TensorFlow and JAX use such memory in place on a CPU, where they
  would copy a batch that malloc put on a multiple of 16.
- **Used again** when nobody holds any of it: fresh memory is mapped and zeroed by the kernel, page
  by page, which costs more than the copy into it. numpy makes every view, whoever made it from
  what, a reference to the array that owns the memory; a tensor made in place holds such a view.
  So the owner's reference count says whether anybody can still look.

There are as many buffers as batches were alive at once: bounded by what Keras reads ahead.
"""

from __future__ import annotations

import math
import sys

import numpy as np

ALIGNMENT = 64  # bytes


def _first(owners: list[np.ndarray], nbytes: int, references: int) -> np.ndarray | None:
    """The first owner of a suitable size to which there are only so many references."""
    for owner in owners:
        # Not much larger either: an epoch's last, small batch must not hold a large buffer.
        if nbytes <= len(owner) <= 2 * nbytes and sys.getrefcount(owner) == references:
            return owner
    return None


def _unheld() -> int:
    """References that the list above and the search itself make: Python's versions differ in it."""
    owners = [np.empty(1, np.uint8)]
    return next(count for count in range(1, 9) if _first(owners, 1, count) is not None)


_UNHELD = _unheld()


class Buffers:
    """Gives arrays to write to. One thread at a time may ask."""

    def __init__(self) -> None:
        self._owners: list[np.ndarray] = []
        self._starts: dict[int, int] = {}  # by id of the owner: asking numpy each time takes 8 µs

    def empty(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        """As `np.empty`: what is in it is anything. It is the caller's for as long as it is held,
        or anything made from it without a copy."""
        nbytes = math.prod(shape) * np.dtype(dtype).itemsize
        owner = self._free(nbytes + ALIGNMENT)
        start = self._starts[id(owner)]
        return owner[start : start + nbytes].view(dtype).reshape(shape)

    def _free(self, nbytes: int) -> np.ndarray:
        if (free := _first(self._owners, nbytes, _UNHELD)) is not None:
            return free
        owner = np.empty(nbytes, np.uint8)
        self._owners.append(owner)
        self._starts[id(owner)] = -owner.ctypes.data % ALIGNMENT
        return owner
