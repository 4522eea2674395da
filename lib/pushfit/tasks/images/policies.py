"""RandAugment and TrivialAugment (wide): which operations a photo gets, and how strong they are.

The tables are torchvision's: 14 operations, 31 strengths of each. RandAugment applies a few
operations of one given strength, TrivialAugment one operation of any strength. Every operation is
as likely as any other, and one that has a direction goes either way. torchvision computes its
tables in 32 bits, and so moves a picture by 15 pixels on some CPUs where 16 are meant.
"""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np

BINS = 31  # strengths of each operation, from 0


class Strengths(msgspec.Struct, frozen=True):
    """An operation of a policy.

    operation: its name in `operations.OPERATIONS`.
    magnitudes: what the operation is called with, for each strength; empty: it has none.
    signed: whether half of the magnitudes are drawn negative.
    """

    operation: str
    magnitudes: tuple[float, ...] = ()
    signed: bool = False


@cache
def randaugment_table(side: int) -> tuple[Strengths, ...]:
    """The operations of RandAugment for images of `side` pixels."""
    return _table(shear=0.3, translate=150 / 331 * side, rotate=30, factor=0.9, bits=4)


@cache
def trivialaugment_table() -> tuple[Strengths, ...]:
    """The operations of TrivialAugment (wide), for images of any size."""
    return _table(shear=0.99, translate=32, rotate=135, factor=0.99, bits=6)


def randaugment(
    side: int, count: int, strength: int, rng: np.random.Generator
) -> list[tuple[str, float]]:
    """(operation, magnitude) of `count` operations for an image of `side` pixels.

    strength: 0 to BINS - 1.
    """
    table = randaugment_table(side)
    return [_drawn(table[int(rng.integers(len(table)))], strength, rng) for _ in range(count)]


def trivialaugment(rng: np.random.Generator) -> list[tuple[str, float]]:
    """(operation, magnitude) of a single operation."""
    table = trivialaugment_table()
    chosen = table[int(rng.integers(len(table)))]
    return [_drawn(chosen, int(rng.integers(BINS)), rng)]


def _drawn(chosen: Strengths, strength: int, rng: np.random.Generator) -> tuple[str, float]:
    magnitude = chosen.magnitudes[strength] if chosen.magnitudes else 0.0
    negative = chosen.signed and rng.integers(2) == 1
    return chosen.operation, -magnitude if negative else magnitude


def _table(
    *, shear: float, translate: float, rotate: float, factor: float, bits: int
) -> tuple[Strengths, ...]:
    """The operations with their largest magnitudes.

    shear: pixels for each pixel across.
    translate: pixels.
    rotate: degrees.
    factor: the largest change of brightness, color, contrast and sharpness.
    bits: the largest number of bits that are dropped.
    """
    highest = BINS - 1
    kept = tuple(float(8 - round(step / (highest / bits))) for step in range(BINS))
    inverted = tuple(255.0 - magnitude for magnitude in _even(255))
    return (
        Strengths("Identity"),
        Strengths("ShearX", _even(shear), True),
        Strengths("ShearY", _even(shear), True),
        Strengths("TranslateX", _even(translate), True),
        Strengths("TranslateY", _even(translate), True),
        Strengths("Rotate", _even(rotate), True),
        Strengths("Brightness", _even(factor), True),
        Strengths("Color", _even(factor), True),
        Strengths("Contrast", _even(factor), True),
        Strengths("Sharpness", _even(factor), True),
        Strengths("Posterize", kept),
        Strengths("Solarize", inverted),
        Strengths("AutoContrast"),
        Strengths("Equalize"),
    )


def _even(most: float) -> tuple[float, ...]:
    """BINS numbers from 0 to `most`, evenly spaced."""
    return tuple(most * step / (BINS - 1) for step in range(BINS))
