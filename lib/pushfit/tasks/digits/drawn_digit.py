"""A digit that somebody drew or photographed, made into an image as MNIST's are.

    image(picture, side) -> (side, side) uint8, light on dark, or BadRecord

MNIST's rule (LeCun, Cortes and Burges): the digit is scaled to a box of 20 x 20 pixels, keeping its
proportions, with antialiasing; and the box is put into the 28 x 28 so that the centre of mass of
its pixels is in the middle. Before that comes what MNIST did not need, since anything may be sent:

1. A large picture is reduced to at most WORK pixels a side.
2. The paper is the median colour of the rim. The ink of a pixel is its distance from that colour,
   in the channel with the largest distance. So any two colours work, and either may be lighter.
3. The variation within the rim (noise, and the shading of a photographed sheet) is subtracted. The
   strongest remaining value is full ink; it must be at least FAINTEST levels.
4. Rows and columns at the edges with almost no ink are specks of dust, and not part of the box.
5. A line that is thinner than MNIST's is thickened, since little of it would remain at this size.

The picture must show one digit on plain paper with some space around it. The lines of ruled paper
would count as ink.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from pushfit.errors import BadRecord

BOX = 20 / 28  # the largest side of the digit, as a share of the image's side
WORK = 400  # pixels a side, which suffice for a digit that fills a tenth of the picture
FAINTEST = 40  # levels of 255; pencil on paper has 60 and more, JPEG's noise about a line 20
DUST = 0.004  # share of all ink; if the rows at an edge have less, they are not part of the digit
SEEN = 0.1  # share of full ink; a fainter pixel does not widen the box
INK = 0.25  # share of full ink above which a pixel belongs to the line, for its width
THIN = 1 / 14  # share of the box; few of MNIST's lines are thinner, most are about an eighth wide
PEN = 1 / 9


def image(picture: np.ndarray, side: int) -> np.ndarray:
    """(side, side) uint8 from (H, W, 3) uint8. Raises BadRecord if nothing is drawn."""
    ink = _thickened(_cropped(_ink(_reduced(picture))))
    return _centred(_boxed(ink, round(side * BOX)), side)


def _reduced(picture: np.ndarray) -> np.ndarray:
    """The picture with at most WORK pixels a side: (H, W, 3) float32."""
    factor = -(-max(picture.shape) // WORK)
    if factor > 1:
        picture = np.asarray(Image.fromarray(picture).reduce(factor))
    return picture.astype(np.float32)


def _ink(picture: np.ndarray) -> np.ndarray:
    """The ink of each pixel: (H, W) float32, 0 to 1. Raises BadRecord."""
    rim = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    paper = np.median(rim, axis=0)
    floor = np.percentile(np.abs(rim - paper).max(axis=1), 90)
    ink = np.abs(picture - paper).max(axis=2) - floor
    if (most := ink.max()) < FAINTEST:
        raise BadRecord(
            "nothing is drawn in this picture: send one digit on plain paper of another colour or "
            "brightness"
        )
    scaled: np.ndarray = np.clip(ink / most, 0, 1)
    return scaled


def _cropped(ink: np.ndarray) -> np.ndarray:
    """The ink without the empty rows and columns around it."""
    seen = np.where(ink > SEEN, ink, 0)
    (top, bottom), (left, right) = (_extent(seen.sum(axis=axis)) for axis in (1, 0))
    return ink[top:bottom, left:right]


def _extent(sums: np.ndarray) -> tuple[int, int]:
    """The start and end of the box along an axis. sums: the ink of each row or column."""
    share = np.cumsum(sums) / sums.sum()
    return int(np.searchsorted(share, DUST, "right")), int(np.searchsorted(share, 1 - DUST)) + 1


def _thickened(ink: np.ndarray) -> np.ndarray:
    """The ink with its line thickened to PEN of the box, if it was thinner than THIN of it."""
    line = ink > INK
    edges = np.count_nonzero(np.diff(np.pad(line, 1), axis=0)[:, 1:-1])
    edges += np.count_nonzero(np.diff(np.pad(line, 1), axis=1)[1:-1])
    # A line of width w and length l has w·l pixels. Averaged over all directions, each pixel of its
    # length and side adds 4/π edges between pixels.
    width = 2 * (4 / np.pi) * np.count_nonzero(line) / edges
    if width >= THIN * max(ink.shape):
        return ink
    more = round((PEN * max(ink.shape) - width) / 2)
    if more < 1:
        return ink
    wide = np.pad(np.round(255 * ink).astype(np.uint8), more)
    return np.asarray(Image.fromarray(wide).filter(ImageFilter.MaxFilter(2 * more + 1))) / 255


def _boxed(ink: np.ndarray, box: int) -> np.ndarray:
    """The digit scaled to fit a box of that side, with full ink as maximum; float32."""
    height, width = ink.shape
    scale = box / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = Image.fromarray(ink.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    full: np.ndarray = np.asarray(small)
    full = full / full.max()
    return full.astype(np.float32)


def _centred(digit: np.ndarray, side: int) -> np.ndarray:
    """The digit with its centre of mass in the middle, as far as all of it stays inside."""
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
