"""Random erasing: a rectangle of the image is covered, as torchvision's RandomErasing does.

torchvision and timm erase after the normalisation, where 0 is the mean colour of ImageNet, and
noise has its mean and spread. Here pixels are still bytes, so both are given as bytes.
"""

from __future__ import annotations

import math
from decimal import Context, Decimal
from functools import cache
from statistics import NormalDist
from typing import Literal

import numpy as np

from pushfit.decoding.images import Photo

Fill = Literal["mean", "black", "noise"]

MEAN = (124, 116, 104)  # of ImageNet's red, green and blue
SPREAD = (58, 57, 57)  # their standard deviations
SCALE = (0.02, 0.33)  # the erased share of the image
RATIO = (0.3, 3.3)  # height over width of the rectangle
_TRIES = 10  # rectangles that are drawn until one is smaller than the image
_PRECISE = Context(prec=20)


def erased(image: Photo, fill: Fill, rng: np.random.Generator) -> Photo:
    """A copy of the image in which a rectangle is covered; the image itself if none was found.

    image: (height, width, 3) uint8.
    fill: mean, the mean colour of ImageNet; black; noise, normal with ImageNet's mean and spread,
        anew for each pixel.
    """
    found = rectangle(image.shape[0], image.shape[1], rng)
    if found is None:
        return image
    top, left, height, width = found
    covered = image.copy()
    hole = covered[top : top + height, left : left + width]
    if fill == "noise":
        drawn = rng.integers(256, size=hole.shape, dtype=np.uint8)
        for channel, table in enumerate(_noise()):
            hole[..., channel] = table[drawn[..., channel]]
    else:
        hole[...] = MEAN if fill == "mean" else 0
    return covered


def rectangle(
    rows: int, columns: int, rng: np.random.Generator
) -> tuple[int, int, int, int] | None:
    """(top, left, height, width) of a rectangle in an image; None: all that were drawn are larger.

    Its share of the image is uniform within SCALE, the logarithm of its ratio uniform within that
    of RATIO.
    """
    # Decimal rounds ln and exp correctly, which the C libraries of two hosts need not do alike.
    low, high = (float(_PRECISE.ln(Decimal(ratio))) for ratio in RATIO)
    for _ in range(_TRIES):
        share, slope = (float(number) for number in rng.random(2))
        area = rows * columns * (SCALE[0] + (SCALE[1] - SCALE[0]) * share)
        ratio = float(_PRECISE.exp(Decimal(low + (high - low) * slope)))
        height, width = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < height < rows and 0 < width < columns:
            top, left = rng.integers(rows - height + 1), rng.integers(columns - width + 1)
            return int(top), int(left), height, width
    return None


@cache
def _noise() -> list[np.ndarray]:
    """For each channel, the 256 levels between which a normal distribution is cut evenly."""
    steps = [NormalDist().inv_cdf((step + 0.5) / 256) for step in range(256)]
    return [
        np.array([min(255, max(0, round(mean + spread * z))) for z in steps], np.uint8)
        for mean, spread in zip(MEAN, SPREAD, strict=True)
    ]
