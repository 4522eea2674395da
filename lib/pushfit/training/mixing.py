"""MixUp and CutMix: the images of a training batch, each mixed with another of the batch.

What is mixed with what, and in which share, follows from the run's seed and the batch's place
(split, epoch, number) alone. So a run that is resumed mixes as it would have, whatever fleet made
the samples. A share is a whole number of 256ths: images of bytes are blended in integers, with the
same result on every machine.
"""

from __future__ import annotations

import msgspec
import numpy as np

from pushfit.feed.feed import Batch
from pushfit.plan.order import rng_of

WHOLE = 256  # parts of an image
CHUNK_BYTES = 2**20  # of images that are blended at once, which fit into a CPU's cache


class Mixture(msgspec.Struct, frozen=True, eq=False):
    """What becomes of the images of one batch.

    partner: (B,) int64, the row that each row is mixed with.
    share: (B,) float32, the part that is left of the row itself, 0 to 1.
    boxes: (B, 4) int64, the top, left, bottom and right of what is the partner's; None: blended.
    """

    partner: np.ndarray
    share: np.ndarray
    boxes: np.ndarray | None

    def images(self, images: np.ndarray) -> np.ndarray:
        """(B, H, W, channels) of the same dtype; `images` stays as it is."""
        if self.boxes is None:
            return _blended(images, self.partner, np.rint(self.share * WHOLE).astype(np.int64))
        mixed = images.copy()
        for row, (top, left, bottom, right) in enumerate(self.boxes.tolist()):
            mixed[row, top:bottom, left:right] = images[self.partner[row], top:bottom, left:right]
        return mixed

    def rows(self, values: np.ndarray) -> np.ndarray:
        """(B, …) float32: each row of `values` mixed with its partner's."""
        share = self.share.reshape(-1, *([1] * (values.ndim - 1)))
        mixed: np.ndarray = values * share + values[self.partner] * (np.float32(1) - share)
        return mixed


class Mixing(msgspec.Struct, frozen=True):
    """mixup, cutmix: the parameter of the Beta distribution of shares; 0: off. With both, each
    batch gets one of them, by chance."""

    seed: int
    mixup: float = 0.0
    cutmix: float = 0.0

    def of(self, batch: Batch, shape: tuple[int, ...]) -> Mixture:
        """The mixture of `batch`, whose images have the shape (B, H, W, channels)."""
        segment, rows = batch.segment, shape[0]
        rng = rng_of(self.seed, "mix", segment.split, segment.epoch, batch.number)
        cut = rng.random() < 0.5 if self.mixup and self.cutmix else bool(self.cutmix)
        partner = rng.permutation(rows)
        alpha = self.cutmix if cut else self.mixup
        share = rng.beta(alpha, alpha, rows)
        if not cut:
            return Mixture(partner, (np.rint(share * WHOLE) / WHOLE).astype(np.float32), None)
        boxes = _boxes(share, rng.random((rows, 2)), *shape[1:3])
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        left = 1 - area / (shape[1] * shape[2])  # a box may reach over the edge
        return Mixture(partner, left.astype(np.float32), boxes)


def _boxes(share: np.ndarray, middle: np.ndarray, height: int, width: int) -> np.ndarray:
    """(B, 4): rectangles of 1 - share of the area, around `middle` (0 to 1), cut at the edges."""
    sides = np.sqrt(1 - share)[:, np.newaxis] * (height, width)
    first = middle * (height, width) - sides / 2
    ends = np.concatenate([first, first + sides], axis=1)
    limits = np.array([height, width, height, width])
    boxes: np.ndarray = np.clip(np.rint(ends), 0, limits).astype(np.int64)
    return boxes


def _blended(images: np.ndarray, partner: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """parts: (B,) 256ths of each row itself."""
    mixed = np.empty_like(images)
    step = max(1, CHUNK_BYTES // max(1, images[0].nbytes))
    whole = images.dtype.kind in "iu"
    wide = images.dtype
    if whole:  # 255 * 256 + 128 fits into 16 bits
        wide = np.dtype(np.uint16 if images.dtype == np.uint8 else np.int64)
    for low in range(0, len(images), step):
        rows = slice(low, low + step)
        own = parts[rows].reshape(-1, *([1] * (images.ndim - 1)))
        if whole:
            sums = images[rows] * own.astype(wide)
            sums += images[partner[rows]] * (WHOLE - own).astype(wide)
            sums += wide.type(WHOLE // 2)
            mixed[rows] = sums >> wide.type(8)
        else:
            share = (own / WHOLE).astype(wide)
            mixed[rows] = images[rows] * share + images[partner[rows]] * (1 - share)
    return mixed
