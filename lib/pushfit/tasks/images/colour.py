"""Random colours: jitter, greyscale and blur, as in torchvision's ColorJitter and in SimCLR.

Random numbers are taken from `rng.random` and `rng.integers` alone, and are scaled in Python.
`rng.uniform` multiplies and adds in C code, which on some CPUs rounds once, on others twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pushfit.decoding.images import Photo
from pushfit.tasks.images import operations
from pushfit.tasks.images.operations import Picture

Change = Callable[[Picture], Picture]
Words = NDArray[np.uint16]

SIGMAS = range(10, 201)  # standard deviations of a blur in hundredths of a pixel
_FULL = 255 * 255  # all of the saturation times all of a share
_ONE = 256  # the sum of a kernel's weights: 256 · 255 still fits into 16 bits
_PRECISE = Context(prec=20)


def jitter(strengths: Sequence[float], rng: np.random.Generator) -> list[Change]:
    """What a draw of ColorJitter does to a picture, in the order that was drawn.

    strengths: of brightness, contrast, saturation and hue; those that are missing are 0. A factor
        is drawn from 1 - strength (at least 0) to 1 + strength; the hue is turned by up to its
        strength as a share of a turn.
    """
    order = rng.permutation(4).tolist()
    drawn = [float(number) for number in rng.random(4)]
    changes: list[Change | None] = [None] * 4
    for number, strength in enumerate(strengths):
        if strength == 0:
            continue
        if number == 3:
            changes[3] = partial(hue, turn=strength * (2 * drawn[3] - 1))
            continue
        low, high = max(0.0, 1 - strength), 1 + strength
        factor = low + (high - low) * drawn[number]
        operation = (operations.brightness, operations.contrast, operations.color)[number]
        changes[number] = partial(operation, magnitude=factor - 1)
    return [change for change in map(changes.__getitem__, order) if change]


def hue(picture: Picture, turn: float) -> Picture:
    """The picture with its hues turned by `turn` of the circle, -0.5 to 0.5, in steps of 1/255.

    The bytes are those of Pillow's way to HSV and back. The way back is done here in integers,
    which takes a third of the time: a channel is value · (1 - saturation · share), rounded.
    """
    step = int(turn * 255)
    hues, saturations, values = picture.convert("HSV").split()
    saturation = np.asarray(saturations, np.uint16)
    value = np.asarray(values, np.uint32)
    value = value + value
    planes = []
    for shares in _hue_shares():
        turned = [shares[(level + step) % 256] for level in range(256)]
        share = np.asarray(hues.point(turned), np.uint16)
        share = share * saturation
        np.subtract(_FULL, share, out=share)
        product = share * value
        product += _FULL
        product //= 2 * _FULL
        planes.append(Image.fromarray(product.astype(np.uint8)))
    return Image.merge("RGB", planes)


@cache
def _hue_shares() -> list[list[int]]:
    """For red, green and blue: how much of the saturation each level of hue takes from it.

    The levels 0 to 255 are one turn from red to red; 255 is all of the saturation. A channel is
    full for a third of the turn, empty for a third, and changes evenly in the sixths between.
    """
    shares = []
    for peak in (0, 2, 4):  # where a channel is full, in sixths of the turn
        away = (abs((6 * level - 255 * peak + 765) % 1530 - 765) for level in range(256))
        shares.append([min(255, max(0, distance - 255)) for distance in away])
    return shares


def greyscale(picture: Picture) -> Picture:
    """The picture in grey (ITU-R 601-2 luma), with three equal channels."""
    return picture.convert("L").convert("RGB")


def blurred(image: Photo, sigma: int) -> Photo:
    """The image blurred by a Gaussian whose radius is a twentieth of the side, mirrored at edges.

    image: (side, side, 3) uint8, at least 2 pixels a side.
    sigma: the standard deviation, in hundredths of a pixel; one of SIGMAS.

    The weights are multiples of 1/256, and each of the two passes rounds, so all is exact in 16
    bits and the same on every CPU. The result is within 3 levels of a Gaussian in floating point.
    """
    side = len(image)
    weights = kernel(sigma, max(1, side // 20))
    reach = len(weights) - 1
    if not reach:
        return image
    wide = np.empty((side, side + 2 * reach, 3), np.uint16)
    wide.reshape(side, -1)[:, 3 * reach : 3 * (reach + side)] = image.reshape(side, -1)
    for step in range(1, reach + 1):
        wide[:, reach - step] = wide[:, reach + step]
        wide[:, reach + side - 1 + step] = wide[:, reach + side - 1 - step]
    flat = wide.reshape(side, -1)
    tall = np.empty((side + 2 * reach, 3 * side), np.uint16)
    across = [flat[:, 3 * step : 3 * (step + side)] for step in range(2 * reach + 1)]
    _weighted(across, weights, tall[reach : reach + side])
    for step in range(1, reach + 1):
        tall[reach - step] = tall[reach + step]
        tall[reach + side - 1 + step] = tall[reach + side - 1 - step]
    down = [tall[step : step + side] for step in range(2 * reach + 1)]
    made = np.empty((side, 3 * side), np.uint16)
    _weighted(down, weights, made)
    return made.astype(np.uint8).reshape(side, side, 3)


@cache
def kernel(sigma: int, radius: int) -> tuple[int, ...]:
    """The weights of a Gaussian in 1/256: of the middle, and of its neighbours at 1, 2, … pixels.

    sigma: the standard deviation, in hundredths of a pixel.
    radius: the distance of the last neighbour; neighbours without weight are left out.
    """
    # Decimal rounds exp correctly, which the C libraries of two hosts need not do alike.
    squares = (Decimal(10_000 * step * step) for step in range(radius + 1))
    heights = [float(_PRECISE.exp(_PRECISE.divide(-each, 2 * sigma * sigma))) for each in squares]
    total = heights[0] + 2 * sum(heights[1:])
    sides = [round(_ONE * height / total) for height in heights[1:]]
    sides = [weight for weight in sides if weight]  # they fall from the middle outwards
    return _ONE - 2 * sum(sides), *sides


def _weighted(shifted: Sequence[Words], weights: Sequence[int], into: Words) -> None:
    """Write the weighted mean of `shifted`, rounded, to `into`.

    shifted: the image shifted by -reach to reach pixels.
    weights: those of a shift by 0, 1, … reach.
    """
    middle = len(weights) - 1
    np.multiply(shifted[middle], weights[0], out=into)
    into += _ONE // 2
    pair = np.empty(into.shape, np.uint16)
    for step in range(1, len(weights)):
        np.add(shifted[middle - step], shifted[middle + step], out=pair)
        pair *= weights[step]
        into += pair
    into >>= 8
