"""Small pictures made in integer arithmetic alone, so that they are the same on every host."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np


def pattern(side: int) -> np.ndarray:
    """Slopes of other directions in each channel, with fine grain: (side, side, 3) uint8."""
    y, x = np.mgrid[:side, :side]
    grain = (x * x * 7 + y * y * 13 + x * y * 5) % 23
    red, green, blue = 6 * x + grain, 5 * y + 2 * grain, 3 * (x + y) + grain + 20
    return np.minimum(np.stack([red, green, blue], axis=-1), 250).astype(np.uint8)


def grain(side: int, seed: int = 0) -> np.ndarray:
    """Noise: (side, side, 3) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def sha(image: np.ndarray) -> str:
    """The first 16 digits of the SHA-256 of an array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(image)).hexdigest()[:16]


def chi_square(counts: Sequence[int]) -> float:
    """The chi-square statistic of counts that should be equal."""
    mean = sum(counts) / len(counts)
    return sum((count - mean) ** 2 for count in counts) / mean
