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
_FREE = 3  # references to a buffer that nobody else holds: the list's, the loop's, the argument's


class Buffers:
    """Gives arrays to write to. One thread at a time may ask."""

    def __init__(self) -> None:
        self._owners: list[np.ndarray] = []

    def empty(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        """As `np.empty`: what is in it is anything. It is the caller's for as long as it is held,
        or anything made from it without a copy."""
        nbytes = math.prod(shape) * np.dtype(dtype).itemsize
        owner = self._free(nbytes + ALIGNMENT)
        start = -owner.ctypes.data % ALIGNMENT
        return owner[start : start + nbytes].view(dtype).reshape(shape)

    def _free(self, nbytes: int) -> np.ndarray:
        for owner in self._owners:
            # Not much larger either: an epoch's last, small batch must not hold a large buffer.
            if nbytes <= len(owner) <= 2 * nbytes and sys.getrefcount(owner) == _FREE:
                return owner
        owner = np.empty(nbytes, np.uint8)
        self._owners.append(owner)
        return owner
