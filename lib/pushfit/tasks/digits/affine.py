"""Small grey images turned, zoomed, shifted, slanted and bent, many at once, in integer arithmetic.

    source = turn(-angle) · slant / zoom · (pixel - centre - shift) + centre + bend
             bilinear; outside: black; slant: x - shear · y; bend: see `elastic`

- A coordinate is the sum of a number for its column and a number for its row, each rounded to 1/256
  pixel, so that no pixel needs a multiplication. x and y are the halves of one 32-bit word, and one
  addition computes both. An underflow in x takes 1/256 from y, but only for a pixel outside of the
  image.
- For each image, a table of 32-bit words is made first, of a pixel and its three neighbours each.
  One read then fetches all four. They are blended two by two, in the halves of a word, with weights
  of 8 bits.
- Pixels are computed in integers, and parameters of samples with +, -, ·, / and rounding, which
  IEEE 754 defines to the bit. The sine is a polynomial, since numpy's sine differs in its last bit
  between CPUs. So every host computes the same samples.

About 8 µs an image of 28 x 28 pixels on a core of 2.5 GHz; one at a time, OpenCV takes 10.
"""

from __future__ import annotations

import math

import numpy as np

from pushfit.tasks.digits.elastic import Elastic

MAX_SIDE = 64  # with the limits below, the whole part of every coordinate fits in 8 bits
MAX_ANGLE, MAX_ZOOM, MAX_SHIFT, MAX_SHEAR, MAX_BEND = 180.0, 0.5, 0.25, 0.5, 0.2
BLOCK = 64  # images computed at once, so that their data stays in the cache of a core
_ONE = 256  # the unit of coordinates is 1/256 pixel

_WORD, _BYTES, _HALF = np.uint32(0x00FF_00FF), np.uint32(8), np.uint32(16)
_LOW, _ROUND = np.uint32(0xFFFF), np.uint32(1 << 15)


class Affine:
    """Warps images of `side` x `side` pixels. It reuses its memory: one thread at a time."""

    def __init__(self, side: int) -> None:
        if not 1 <= side <= MAX_SIDE:
            raise ValueError(f"side {side} is not 1 to {MAX_SIDE}")
        self.side = side
        self._elastic = Elastic(side)
        self._stride = side + 3  # one black pixel before, and two after for the last neighbours
        self._padded = np.zeros((BLOCK, self._stride, self._stride), np.uint8)
        self._quads = np.empty(self._padded.size, np.uint32)
        self._firsts = np.arange(BLOCK, dtype=np.uint32)[:, np.newaxis] * self._stride**2
        self._work = np.empty((3, BLOCK, side * side), np.uint32)
        # Arrays that are not needed at the same time share memory, so that more fits in the cache.
        self._index = np.empty((BLOCK, max(side * side, self._stride**2 // 2 + 1)), np.intp)
        self._spare = self._index.reshape(-1).view(np.uint32)
        # The distance of each column (or row) of the target from the centre of the image.
        self._from_centre = np.arange(side) - (side - 1) / 2

    def warp(
        self,
        images: np.ndarray,
        angle: np.ndarray,
        zoom: np.ndarray,
        shift: np.ndarray,
        shear: np.ndarray | None = None,
        bends: np.ndarray | None = None,
    ) -> np.ndarray:
        """The images moved: (n, side, side) uint8.

        images: (n, side, side) uint8.
        angle: (n,) degrees, counter-clockwise as seen, -180 to 180.
        zoom: (n,) factors, 0.5 to 1.5; above 1 enlarges.
        shift: (n, 2), to the right and down, as a share of the side, at most MAX_SHIFT.
        shear: (n,) pixels to the right for each row further down, at most MAX_SHEAR; None: 0.
        bends: (n, BENDS) of `elastic`, as a share of the side, at most MAX_BEND; None: 0.
        """
        columns, rows = self._coordinates(angle, zoom, shift, shear)
        warped = np.empty(images.shape, np.uint8)
        for start in range(0, len(images), BLOCK):
            block = slice(start, start + BLOCK)
            field = None if bends is None else self._elastic.field(bends[block] * self.side)
            self._warp(images[block], columns[block], rows[block], field, warped[block])
        return warped

    def _coordinates(
        self, angle: np.ndarray, zoom: np.ndarray, shift: np.ndarray, shear: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The shares of each column and of each row in the source's coordinates, (n, side) uint32.

        The value is y · 2^16 + x, in 1/256 pixels of the padded image; a negative coordinate is in
        two's complement.
        """
        sine, cosine = _sine_cosine(angle * (math.pi / 180))
        sine, cosine = sine / zoom, cosine / zoom
        centre = (self.side - 1) / 2 + 1
        right, down = shift[:, 0] * self.side, shift[:, 1] * self.side
        from_x = self._from_centre - right[:, np.newaxis]
        from_y = self._from_centre - down[:, np.newaxis]
        columns = _packed(cosine[:, np.newaxis] * from_x + centre, sine[:, np.newaxis] * from_x)
        if shear is not None:
            sine, cosine = sine + shear * cosine, cosine - shear * sine
        rows = _packed(-sine[:, np.newaxis] * from_y, cosine[:, np.newaxis] * from_y + centre)
        return columns, rows

    def _warp(
        self,
        images: np.ndarray,
        columns: np.ndarray,
        rows: np.ndarray,
        field: np.ndarray | None,
        into: np.ndarray,
    ) -> None:
        count, side, stride = len(images), self.side, self._stride
        place, word, got = self._work[:, :count]
        index = self._index[:count, : side * side]
        quads = self._pack(images)

        grid = place.reshape(count, side, side)
        np.add(columns[:, np.newaxis, :], rows[:, :, np.newaxis], out=grid)
        if field is not None:
            grid += ((field[:, 1] << 16) + field[:, 0]).astype(np.uint32)
        halves, last = place.view(np.uint16), np.uint16((side + 1) * _ONE)
        np.clip(halves, np.uint16(0), last, out=halves)  # unsigned, a negative one is large

        # Whole pixels: y · 2^16 + x times (2^16 + stride) has x + stride · y in its upper half.
        np.right_shift(halves, np.uint16(8), out=word.view(np.uint16))
        word *= np.uint32(2**16 + stride)
        word >>= _HALF
        word += self._firsts[:count]
        index[...] = word
        np.take(quads, index, out=got, mode="wrap")  # all are inside; mode "raise" would copy

        # Blend along x, both rows at once: left · 256 + (right - left) · weight, 16 bits each.
        place &= _WORD
        weight = self._spare[: place.size].reshape(place.shape)
        np.bitwise_and(place, _LOW, out=weight)
        _blend(got, _WORD, _BYTES, weight, word)
        # Blend along y.
        place >>= _HALF
        _blend(got, _LOW, _HALF, place, word)
        got += _ROUND
        got >>= _HALF
        into.reshape(count, side * side)[...] = got

    def _pack(self, images: np.ndarray) -> np.ndarray:
        """Each pixel and its right, lower and lower right neighbour as the bytes of a word.

        The pixel is the lowest byte.
        """
        count, side, stride = len(images), self.side, self._stride
        self._padded[:count, 1 : side + 1, 1 : side + 1] = images
        size = count * stride**2
        quads, shifted = self._quads[:size], self._spare[:size]
        quads[...] = self._padded[:count].reshape(-1)
        for step, bits in ((1, _BYTES), (stride, _HALF)):
            np.left_shift(quads[step:], bits, out=shifted[:-step])
            quads[:-step] |= shifted[:-step]
        return quads


def _blend(
    pairs: np.ndarray, first: np.uint32, shift: np.uint32, weight: np.ndarray, spare: np.ndarray
) -> None:
    """In place: a · 256 + (b - a) · weight, with a = pairs & first, b = (pairs >> shift) & first.

    A negative intermediate value borrows from the upper half, and gives it back.
    """
    np.bitwise_and(pairs, first, out=spare)
    pairs >>= shift
    pairs &= first
    pairs -= spare
    pairs *= weight
    spare <<= _BYTES
    pairs += spare


def _packed(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """y · 2^16 + x in 1/256 pixels, modulo 2^32."""
    whole: np.ndarray = np.rint(y * _ONE).astype(np.int64) << 16
    whole += np.rint(x * _ONE).astype(np.int64)
    return whole.astype(np.uint32)


def _sine_cosine(angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of `angle`, -π to π radians, by their Taylor series: within 1e-10."""
    square = angle * angle
    sine, cosine = np.zeros_like(angle), np.zeros_like(angle)
    for power in range(12, -1, -1):
        sine = sine * square + (-1) ** power / math.factorial(2 * power + 1)
        cosine = cosine * square + (-1) ** power / math.factorial(2 * power)
    return sine * angle, cosine
