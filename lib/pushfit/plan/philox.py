"""Philox 4x64-10 for many samples at once, with the same numbers as numpy's own Philox.

Each sample has its own Philox stream, which a key and a counter identify (`order.patch_rng`). A
numpy Generator for each costs about ten microseconds, as much as a whole 28 x 28 sample may take.
Philox needs no state: a block of four numbers is a function of key and counter. So the blocks of
all samples of a lease are computed together, in array arithmetic of 64 bits.

The multipliers and Weyl constants are those of Salmon et al., "Parallel random numbers: as easy as
1, 2, 3", 2011, and of numpy. As in numpy, the counter is raised by one before each block.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence

_M0, _M1 = 0xD2E7470EE14C6C93, 0xCA5A826395121157
_W0, _W1 = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
_ROUNDS, _BLOCK = 10, 4
_ALL = 2**64 - 1
_HALF, _LOW = np.uint64(32), np.uint64(2**32 - 1)


class _Unseeded(ISeedSequence):
    """A seed for a bit generator whose state is set afterwards: it asks the system for nothing."""

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> np.ndarray:
        return np.zeros(n_words, dtype)


_UNSEEDED = _Unseeded()
_NOTHING = np.zeros(_BLOCK, np.uint64)


def bit_generator(key: np.ndarray, counter: np.ndarray) -> np.random.Philox:
    """`np.random.Philox(key=key, counter=counter)`, in half the time.

    key: (2,) uint64.
    counter: (4,) uint64.
    """
    made = np.random.Philox(_UNSEEDED)  # type: ignore[arg-type]  # its stub lacks the interface
    made.state = {
        "bit_generator": "Philox",
        "state": {"counter": counter, "key": key},
        "buffer": _NOTHING,
        "buffer_pos": _BLOCK,  # all of it is used
        "has_uint32": 0,
        "uinteger": 0,
    }
    return made


def uniforms(
    key: tuple[int, int],
    first: np.ndarray,
    second: np.ndarray,
    third: np.ndarray,
    count: int,
) -> np.ndarray:
    """(n, count) float64 in [0, 1). Row i holds the numbers of

        Generator(Philox(key=key, counter=(0, first[i], second[i], third[i]))).random(count)

    first, second, third: (n,) integers, not negative.
    """
    blocks = -(-count // _BLOCK)
    numbers = np.empty((len(first), blocks * _BLOCK), np.uint64)
    words = tuple(array.astype(np.uint64) for array in (first, second, third))
    for block in range(blocks):
        counter = np.full(len(first), block + 1, np.uint64)
        for column, word in enumerate(_block(key, counter, *words)):
            numbers[:, block * _BLOCK + column] = word
    return (numbers[:, :count] >> np.uint64(11)) * 2.0**-53


def _block(
    key: tuple[int, int], c0: np.ndarray, c1: np.ndarray, c2: np.ndarray, c3: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Ten rounds on the counters (c0, c1, c2, c3): four words of 64 bits each."""
    k0, k1 = key
    for _ in range(_ROUNDS):
        high0, low0 = _product(_M0, c0)
        high1, low1 = _product(_M1, c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ np.uint64(k0), low1, high0 ^ c3 ^ np.uint64(k1), low0
        k0, k1 = (k0 + _W0) & _ALL, (k1 + _W1) & _ALL
    return c0, c1, c2, c3


def _product(a: int, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The high and the low 64 bits of a · b, from products of 32-bit halves."""
    a_low, a_high = np.uint64(a & 0xFFFF_FFFF), np.uint64(a >> 32)
    b_low, b_high = b & _LOW, b >> _HALF
    low_high, high_low = b_low * a_high, b_high * a_low
    middle = (b_low * a_low >> _HALF) + (low_high & _LOW) + (high_low & _LOW)
    high = b_high * a_high + (low_high >> _HALF) + (high_low >> _HALF) + (middle >> _HALF)
    return high, b * np.uint64(a)
