"""The eight manipulations of the camera task, each cut straight from the unmanipulated photo.

A manipulation answers four questions about a photo: how large the manipulated photo would be
(`size`), on which multiples a patch may start there (`step`), which pixels of the photo one patch
depends on (`reads`), and what that patch holds (`cut`). Only that region is ever computed, but the
pixels are those that manipulating the WHOLE photo and then cutting would give:

    none      the photo
    jpegQ     JPEG at quality Q, 4:2:0 chroma, standard tables (the default of Pillow, OpenCV and
              libjpeg), on the grid of the whole photo: the region is cut on multiples of 16 (two
              8x8 chroma blocks' worth of pixels) with at least 1 px around the patch, which the
              smooth chroma upsampling reads. Exactly what Pillow makes of the whole photo.
    resizeF   Pillow's BICUBIC (`resizing`: antialiased) to round(W x F) by round(H x F). The region
              carries the kernel's support; the box is in fractions of a pixel, so that the
              sampling grid is the whole photo's. Within 2 levels of it; all but a few values in a
              million within 1.
    gammaG    255 (v / 255) ** G, from a table of 256

All arithmetic on pixels is integer (tables, libjpeg-turbo's accurate DCT, Pillow's fixed point), so
the bytes do not depend on the host's CPU. Coordinates are pixels of the manipulated photo.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod

import numpy as np
import simplejpeg

from pushfit.decoding.images import Photo
from pushfit.tasks import resizing

Region = tuple[int, int, int, int]  # left, top, right, bottom, in pixels of the photo


class Manipulation(ABC):
    """One way to change a photo. ``NONE``, which changes nothing, is one, too."""

    def __init__(self, name: str) -> None:
        self.name = name

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the photo once manipulated."""
        return width, height

    def step(self, step: int) -> int:
        """The step in the manipulated photo of positions with `step` px in the photo itself."""
        return step

    def reads(self, width: int, height: int, x: int, y: int, patch: int) -> Region:
        """The region of a photo of that size that `cut` reads for a patch at (x, y)."""
        return x, y, x + patch, y + patch

    @abstractmethod
    def cut(self, photo: Photo, x: int, y: int, patch: int) -> Photo:
        """The (patch, patch, 3) uint8 patch whose top left corner is (x, y); may be a view."""


class Plain(Manipulation):
    def cut(self, photo: Photo, x: int, y: int, patch: int) -> Photo:
        return photo[y : y + patch, x : x + patch]


class Jpeg(Manipulation):
    GRID = 16  # 4:2:0 stores one 8x8 chroma block for 16x16 pixels

    def __init__(self, quality: int) -> None:
        super().__init__(f"jpeg{quality}")
        self.quality = quality

    def reads(self, width: int, height: int, x: int, y: int, patch: int) -> Region:
        left, right = self._around(x, patch, width)
        top, bottom = self._around(y, patch, height)
        return left, top, right, bottom

    def cut(self, photo: Photo, x: int, y: int, patch: int) -> Photo:
        from PIL import Image

        height, width, _ = photo.shape
        left, top, right, bottom = self.reads(width, height, x, y, patch)
        packed = io.BytesIO()  # Pillow, as simplejpeg encodes below 96 with the inaccurate DCT
        Image.fromarray(photo[top:bottom, left:right]).save(
            packed, "JPEG", quality=self.quality, subsampling="4:2:0"
        )
        again: Photo = simplejpeg.decode_jpeg(packed.getbuffer(), "RGB")
        return again[y - top : y - top + patch, x - left : x - left + patch]

    def _around(self, start: int, patch: int, end: int) -> tuple[int, int]:
        """The range of grid cells around ``start - 1 … start + patch``, within the photo."""
        low = (start - 1) // self.GRID * self.GRID
        high = -(-(start + patch + 1) // self.GRID) * self.GRID
        return max(low, 0), min(high, end)


class Resize(Manipulation):
    """Scale by ``up / down``, in lowest terms: it maps `down` pixels to `up` pixels."""

    def __init__(self, up: int, down: int) -> None:
        super().__init__(f"resize{up / down}")
        self.up, self.down = up, down

    def size(self, width: int, height: int) -> tuple[int, int]:
        return round(width * self.up / self.down), round(height * self.up / self.down)

    def step(self, step: int) -> int:
        """x0.8 maps 40 px to 32 px, so a multiple of 8 stays whole only at every 32nd pixel."""
        return step if step == 1 else step * self.up

    def reads(self, width: int, height: int, x: int, y: int, patch: int) -> Region:
        new_width, new_height = self.size(width, height)
        left, right = self._around(x, patch, width, width / new_width)
        top, bottom = self._around(y, patch, height, height / new_height)
        return left, top, right, bottom

    def cut(self, photo: Photo, x: int, y: int, patch: int) -> Photo:
        height, width, _ = photo.shape
        left, top, right, bottom = self.reads(width, height, x, y, patch)
        new_width, new_height = self.size(width, height)
        across, down = width / new_width, height / new_height
        box = (
            x * across - left,
            y * down - top,
            min((x + patch) * across, width) - left,
            min((y + patch) * down, height) - top,
        )
        return resizing.resize(photo[top:bottom, left:right], patch, box)

    @staticmethod
    def _around(start: int, patch: int, end: int, scale: float) -> tuple[int, int]:
        """The range of pixels that the kernel reads, within the photo."""
        support = 2 * max(scale, 1) + 1  # bicubic reads 2 px each side, stretched when it shrinks
        first, last = start * scale, (start + patch) * scale
        return max(int(first - support), 0), min(int(last + support) + 1, end)


class Gamma(Manipulation):
    def __init__(self, gamma: float) -> None:
        super().__init__(f"gamma{gamma}")
        self.table = bytes(round(255 * (v / 255) ** gamma) for v in range(256))

    def cut(self, photo: Photo, x: int, y: int, patch: int) -> Photo:
        # bytearray.translate takes half the time of numpy's table[pixels].
        pixels = bytearray(np.ascontiguousarray(photo[y : y + patch, x : x + patch]))
        return np.frombuffer(pixels.translate(self.table), np.uint8).reshape(patch, patch, 3)


NONE = Plain("none")

KNOWN: dict[str, Manipulation] = {
    m.name: m
    for m in (
        Jpeg(70),
        Jpeg(90),
        Resize(1, 2),
        Resize(4, 5),
        Resize(3, 2),
        Resize(2, 1),
        Gamma(0.8),
        Gamma(1.2),
    )
}
"""By name, in the order of the camera-model-identification competition."""
