"""Elastic deformation: a smooth field of how far each pixel moves, computed from a few numbers.

    field = B · controls · Bᵀ      B: cubic B-splines over POINTS knots a side

The classic method (Simard, Steinkraus, Platt 2003) blurs a random field of the image's size. A
spline over random numbers on a coarse grid is as smooth, and needs 98 numbers for an image instead
of 1,568. Its weights are positive and add up to one, so no pixel moves further than the largest
number.

Weights and numbers are whole multiples of 1/256, so that each sum is exact in float64. So the
product is the same to the bit, in whatever order a host's matrix library adds.
"""

from __future__ import annotations

import numpy as np

POINTS = 7  # control points a side: four intervals, and three more for the splines at the edges
BENDS = 2 * POINTS * POINTS  # numbers for an image
_PARTS = 256  # the unit of pixels and weights is 1/256


class Elastic:
    """Makes the fields for images of `side` x `side` pixels."""

    def __init__(self, side: int) -> None:
        at = (np.arange(side) + 0.5) * ((POINTS - 3) / side)  # in intervals, 0 to POINTS - 3
        first = np.floor(at).astype(int)
        weights = np.zeros((side, POINTS))
        for pixel, (low, t) in enumerate(zip(first, at - first, strict=True)):
            four = (1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3
            whole = np.rint(np.array(four) * (_PARTS / 6))
            whole[np.argmax(whole)] += _PARTS - whole.sum()  # undo the error of rounding
            weights[pixel, low : low + 4] = whole
        self._weights = weights

    def field(self, bends: np.ndarray) -> np.ndarray:
        """The movement of each pixel, to the right and down: (n, 2, side, side) int64, 1/256 pixel.

        bends: (n, BENDS) pixels, rounded to 1/256; none may be 256 or more.
        """
        controls = np.rint(bends * _PARTS).reshape(-1, 2, POINTS, POINTS)
        whole = (self._weights @ controls @ self._weights.T).astype(np.int64)
        field: np.ndarray = (whole + _PARTS**2 // 2) >> 16
        return field
