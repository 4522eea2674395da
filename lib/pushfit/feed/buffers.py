"""Memory for batches, which is aligned and used again.

- The memory is aligned to ALIGNMENT bytes. TensorFlow and JAX use such memory in place on a CPU.
  A batch that malloc put on a multiple of 16 bytes would be copied.
- The memory is used again when nobody holds any of it, since the kernel maps and zeroes fresh
  memory page by page, which costs more than the copy into it. In numpy every view refers to the
  array that owns the memory, also a view of a view, and a tensor made in place holds such a view.
  So the owner's reference count says whether anybody can still read the memory.

There are as many buffers as batches were alive at once. What Keras reads ahead is a bound for that.
"""

from __future__ import annotations

import math
import sys

import numpy as np

ALIGNMENT = 64  # bytes


def _first(owners: list[np.ndarray], nbytes: int, references: int) -> np.ndarray | None:
    """The first owner of a suitable size to which there are exactly `references` references."""
    for owner in owners:
        # A much larger one does not suit: the small last batch of an epoch must not hold it.
        if nbytes <= len(owner) <= 2 * nbytes and sys.getrefcount(owner) == references:
            return owner
    return None


def _unheld() -> int:
    """The references that the list and the search themselves make, which depends on Python."""
    owners = [np.empty(1, np.uint8)]
    return next(count for count in range(1, 9) if _first(owners, 1, count) is not None)


_UNHELD = _unheld()


class Buffers:
    """Gives arrays to write to. Only one thread at a time may call it."""

    def __init__(self) -> None:
        self._owners: list[np.ndarray] = []
        self._starts: dict[int, int] = {}  # {id of the owner: offset}; numpy takes 8 µs to tell it

    def empty(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        """An array with undefined content, as `np.empty` gives it.

        It belongs to the caller as long as somebody holds it, or a view of it.
        """
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
