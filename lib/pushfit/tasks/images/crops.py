"""Where an image is cut from a photo: a random resized crop, or the square in the middle.

The functions are pure arithmetic on the photo's size. A box has whole pixels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

TRIES = 10  # before a crop of the middle is taken, as in torchvision and TensorFlow's examples


class Box(NamedTuple):
    """A rectangle of a photo, in pixels. right and bottom: the first ones beyond it."""

    left: int
    top: int
    right: int
    bottom: int


def random_resized(
    width: int,
    height: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    rng: np.random.Generator,
) -> Box:
    """A random rectangle, which is then resized to a square.

    width, height: of the photo, in pixels.
    scale: least and largest share of the photo's area.
    ratio: least and largest width ÷ height; its logarithm is uniform.
    """
    lowest, highest = math.log(ratio[0]), math.log(ratio[1])
    for _ in range(TRIES):
        share, slant, across, down = rng.random(4).tolist()
        area = width * height * (scale[0] + (scale[1] - scale[0]) * share)
        aspect = math.exp(lowest + (highest - lowest) * slant)
        wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= width and 0 < high <= height:
            left = int(across * (width - wide + 1))
            top = int(down * (height - high + 1))
            return Box(left, top, left + wide, top + high)
    aspect = min(max(width / height, ratio[0]), ratio[1])
    wide, high = min(width, round(height * aspect)), min(height, round(width / aspect))
    return _middle(width, height, max(wide, 1), max(high, 1))


def centre(width: int, height: int, share: float) -> Box:
    """The square in the middle. share: its side ÷ the shorter side of the photo."""
    side = max(round(min(width, height) * share), 1)
    return _middle(width, height, side, side)


def _middle(width: int, height: int, wide: int, high: int) -> Box:
    left, top = (width - wide) // 2, (height - high) // 2
    return Box(left, top, left + wide, top + high)
