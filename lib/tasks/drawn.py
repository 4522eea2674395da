"""A digit that somebody drew or photographed, made into an image as MNIST's are.

    image(picture, side) -> (side, side) uint8, light on dark, or BadRecord

MNIST's rule (LeCun, Cortes and Burges): the digit is scaled to a box of 20 x 20 pixels, keeping its
proportions, with antialiasing; and the box is put into the 28 x 28 so that the centre of mass of
its pixels is in the middle. Before that comes what MNIST did not need, since anything may be sent:

1. A large picture is made smaller, to WORK pixels at most.
2. Paper is the median colour of the rim, ink how far a pixel is from it, in the channel where that
   is most. So neither the colours matter, nor which of the two is lighter.
3. What the rim itself varies by is taken off: noise, and the shades of a sheet that was
   photographed. Of what remains the strongest is full ink; it must stand out by FAINTEST levels.
4. Rows and columns at the edges with next to no ink are left out of the box: specks of dust.
5. A line thinner than MNIST's pens is drawn thicker, or little of it would be left at this size.

It expects one digit on plain paper with a little room around it. Ruled paper is ink to it.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from lib.errors import BadRecord

BOX = 20 / 28  # of the side: what the digit fills, at most
WORK = 400  # pixels: enough for the box from a digit that fills a tenth of the picture
FAINTEST = 40  # levels of 255: pencil on paper has 60 and more, JPEG's noise about a line 20
DUST = 0.004  # of all ink: less than that in the rows at one edge is no part of a digit
SEEN = 0.1  # of full ink: what is fainter does not widen the box
INK = 0.25  # of full ink: more than that belongs to the line, for its width
THIN = 1 / 14  # of the box: MNIST's lines are about an eighth of it wide, few less than this
PEN = 1 / 9


def image(picture: np.ndarray, side: int) -> np.ndarray:
    """(side, side) uint8 from (H, W, 3) uint8. Raises BadRecord where nothing is drawn."""
    ink = _thickened(_cropped(_ink(_reduced(picture))))
    return _centred(_boxed(ink, round(side * BOX)), side)


def _reduced(picture: np.ndarray) -> np.ndarray:
    """At most WORK pixels a side; (H, W, 3) float32."""
    factor = -(-max(picture.shape) // WORK)
    if factor > 1:
        picture = np.asarray(Image.fromarray(picture).reduce(factor))
    return picture.astype(np.float32)


def _ink(picture: np.ndarray) -> np.ndarray:
    """(H, W) float32 of 0 to 1. Raises BadRecord."""
    rim = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    paper = np.median(rim, axis=0)
    floor = np.percentile(np.abs(rim - paper).max(axis=1), 90)
    ink = np.abs(picture - paper).max(axis=2) - floor
    if (most := ink.max()) < FAINTEST:
        raise BadRecord(
            "nothing is drawn in this picture: one digit is expected, on plain paper of another "
            "colour or brightness"
        )
    scaled: np.ndarray = np.clip(ink / most, 0, 1)
    return scaled


def _cropped(ink: np.ndarray) -> np.ndarray:
    """Without the empty rows and columns around it."""
    seen = np.where(ink > SEEN, ink, 0)
    (top, bottom), (left, right) = (_extent(seen.sum(axis=axis)) for axis in (1, 0))
    return ink[top:bottom, left:right]


def _extent(sums: np.ndarray) -> tuple[int, int]:
    """The first and one past the last place of the box along an axis with these sums."""
    share = np.cumsum(sums) / sums.sum()
    return int(np.searchsorted(share, DUST, "right")), int(np.searchsorted(share, 1 - DUST)) + 1


def _thickened(ink: np.ndarray) -> np.ndarray:
    """With a line of PEN of the box, where it was thinner than THIN of it."""
    line = ink > INK
    edges = np.count_nonzero(np.diff(np.pad(line, 1), axis=0)[:, 1:-1])
    edges += np.count_nonzero(np.diff(np.pad(line, 1), axis=1)[1:-1])
    # A line of width w and length l has w·l pixels and, over all directions, 4/π edges a length.
    width = 2 * (4 / np.pi) * np.count_nonzero(line) / edges
    if width >= THIN * max(ink.shape):
        return ink
    more = round((PEN * max(ink.shape) - width) / 2)
    if more < 1:
        return ink
    wide = np.pad(np.round(255 * ink).astype(np.uint8), more)
    return np.asarray(Image.fromarray(wide).filter(ImageFilter.MaxFilter(2 * more + 1))) / 255


def _boxed(ink: np.ndarray, box: int) -> np.ndarray:
    """Scaled to fit a box of that side, full ink again; float32."""
    height, width = ink.shape
    scale = box / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = Image.fromarray(ink.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    full: np.ndarray = np.asarray(small)
    full = full / full.max()
    return full.astype(np.float32)


def _centred(digit: np.ndarray, side: int) -> np.ndarray:
    """The centre of mass in the middle, to the pixel, as far as all of it stays inside."""
    image = np.zeros((side, side), np.uint8)
    start = []
    for axis, length in enumerate(digit.shape):
        sums = digit.sum(axis=1 - axis)
        mass = (sums @ np.arange(length)) / sums.sum()
        start.append(min(max(round(side / 2 - mass), 0), side - length))
    top, left = start
    height, width = digit.shape
    image[top : top + height, left : left + width] = np.round(255 * digit)
    return image
