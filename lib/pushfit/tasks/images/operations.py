"""The operations of RandAugment and TrivialAugment on a picture of Pillow, by torchvision's names.

    OPERATIONS["ShearX"](picture, 0.3) -> picture of the same size

They are Pillow's, called as torchvision calls them for a picture of Pillow: nearest pixel, black
where nothing of the picture lies. A sample must have the same bytes on every CPU, though, and C
code may or may not fuse a multiplication with an addition, and has the host's own sine. So:

- Factors are rounded to 1/8192. Pillow blends in 32-bit floats; with such a factor each of its
  intermediate values is exact, fused or not. torchvision does not round: with 1.27, about one
  value in a hundred differs by one level.
- The coefficients of a transform are rounded to 2^-32, which makes all of Pillow's arithmetic with
  them exact. That moves no point of a picture by a thousandth of a pixel.
- Sine and cosine are sums of products in Python, which IEEE 754 defines to the bit.
- Smoothing, which sharpness needs, is done in integers, to the same bytes. Tables of 256 levels and
  histograms are made by Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

Picture = Image.Image
Operation = Callable[[Picture, float], Picture]
Coefficients = tuple[float, float, float, float, float, float]

FACTORS = 1 << 13  # a factor is a multiple of 1/FACTORS, and below 4
_FINE = 1 << 32  # a coefficient is a multiple of 1/_FINE
_TERMS = 16  # of the series of sine and cosine: at 180 degrees the next one is below 1e-17


def identity(picture: Picture, magnitude: float) -> Picture:
    return picture


def shear_x(picture: Picture, magnitude: float) -> Picture:
    """magnitude: pixels to the left for each row further down."""
    return _transformed(picture, (1, _fine(magnitude), 0, 0, 1, 0))


def shear_y(picture: Picture, magnitude: float) -> Picture:
    """magnitude: pixels upwards for each column further to the right."""
    return _transformed(picture, (1, 0, 0, _fine(magnitude), 1, 0))


def translate_x(picture: Picture, magnitude: float) -> Picture:
    """magnitude: pixels to the right; its fraction is dropped."""
    return _transformed(picture, (1, 0, -int(magnitude), 0, 1, 0))


def translate_y(picture: Picture, magnitude: float) -> Picture:
    """magnitude: pixels down; its fraction is dropped."""
    return _transformed(picture, (1, 0, 0, 0, 1, -int(magnitude)))


def rotate(picture: Picture, magnitude: float) -> Picture:
    """magnitude: degrees counter-clockwise as seen, -180 to 180."""
    sine, cosine = _sine_cosine(magnitude)
    x, y = picture.width / 2, picture.height / 2
    right, down = x - cosine * x + sine * y, y - sine * x - cosine * y
    return _transformed(picture, (cosine, -sine, right, sine, cosine, down))


def brightness(picture: Picture, magnitude: float) -> Picture:
    """magnitude: 0 changes nothing, -1 gives black."""
    return ImageEnhance.Brightness(picture).enhance(factor(1 + magnitude))


def color(picture: Picture, magnitude: float) -> Picture:
    """magnitude: 0 changes nothing, -1 gives grey pixels."""
    return ImageEnhance.Color(picture).enhance(factor(1 + magnitude))


def contrast(picture: Picture, magnitude: float) -> Picture:
    """magnitude: 0 changes nothing, -1 gives the mean grey of the picture everywhere."""
    return ImageEnhance.Contrast(picture).enhance(factor(1 + magnitude))


def sharpness(picture: Picture, magnitude: float) -> Picture:
    """magnitude: 0 changes nothing, -1 smooths, 1 sharpens. As ImageEnhance.Sharpness."""
    return Image.blend(smooth(picture), picture, factor(1 + magnitude))


def smooth(picture: Picture) -> Picture:
    """The picture filtered by ImageFilter.SMOOTH, four times as fast: in integers.

    A pixel counts five times, its eight neighbours once, by 13; those at the edges stay.
    """
    pixels = np.array(picture)  # a copy
    height, width, channels = pixels.shape
    if min(height, width) < 3:
        return picture
    flat = pixels.reshape(height, width * channels)
    wide = flat.astype(np.uint16)
    rows = wide[:, : -2 * channels] + wide[:, 2 * channels :]
    middle = wide[:, channels:-channels]
    rows += middle
    total = rows[:-2] + rows[2:]
    total += rows[1:-1]
    total += middle[1:-1] << 2
    total <<= 1
    total += 13
    total //= 26  # the nearest thirteenth: 2 total + 13 is odd, so there are no ties
    flat[1:-1, channels:-channels] = total
    return Image.fromarray(pixels)


def posterize(picture: Picture, magnitude: float) -> Picture:
    """magnitude: bits that are kept of each value, 1 to 8."""
    return ImageOps.posterize(picture, int(magnitude))


def solarize(picture: Picture, magnitude: float) -> Picture:
    """magnitude: values from this one on are inverted; 256 inverts none."""
    return ImageOps.solarize(picture, math.ceil(magnitude))  # for levels the same as the fraction


def auto_contrast(picture: Picture, magnitude: float) -> Picture:
    return ImageOps.autocontrast(picture)


def equalize(picture: Picture, magnitude: float) -> Picture:
    return ImageOps.equalize(picture)


OPERATIONS: dict[str, Operation] = {
    "Identity": identity,
    "ShearX": shear_x,
    "ShearY": shear_y,
    "TranslateX": translate_x,
    "TranslateY": translate_y,
    "Rotate": rotate,
    "Brightness": brightness,
    "Color": color,
    "Contrast": contrast,
    "Sharpness": sharpness,
    "Posterize": posterize,
    "Solarize": solarize,
    "AutoContrast": auto_contrast,
    "Equalize": equalize,
}
"""By torchvision's names, in its order."""


def factor(wanted: float) -> float:
    """The factor with which Pillow blends exactly that is nearest to `wanted`."""
    return round(wanted * FACTORS) / FACTORS


def _fine(coefficient: float) -> float:
    return round(coefficient * _FINE) / _FINE


def _transformed(picture: Picture, coefficients: Coefficients) -> Picture:
    """Pixel (x, y) of the result is that at (a x + b y + c, d x + e y + f) of `picture`."""
    black = (0,) * len(picture.getbands())
    return picture.transform(picture.size, Image.Transform.AFFINE, coefficients, fillcolor=black)


@cache
def _sine_cosine(degrees: float) -> tuple[float, float]:
    """Sine and cosine of an angle of -180 to 180 degrees, as coefficients."""
    angle = degrees * (math.pi / 180)
    square = angle * angle
    sine = cosine = 0.0
    for power in range(_TERMS - 1, -1, -1):
        sine = sine * square + (-1) ** power / math.factorial(2 * power + 1)
        cosine = cosine * square + (-1) ** power / math.factorial(2 * power)
    return _fine(sine * angle), _fine(cosine)
