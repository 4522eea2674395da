"""Pictures in files of each kind, and the pixels that they must become."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from pushfit.decoding import images


def scene(height: int = 48, width: int = 64) -> np.ndarray:
    """A smooth picture with some grain: (height, width, 3) uint8."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 60 * np.sin(x / 7 + c) + 50 * np.cos(y / 5 - c) for c in range(3)]
    grain = np.random.default_rng(7).normal(0, 4, (height, width, 3))
    return np.clip(np.stack(waves, axis=2) + grain, 0, 255).astype(np.uint8)


def packed(image: Image.Image, kind: str, **options: object) -> bytes:
    """A file of Pillow's format `kind`."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def pillow(data: bytes) -> np.ndarray:
    """The pixels that Pillow makes of a file."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


RGB = Image.fromarray(scene())


GREY = RGB.convert("L")


JPEG = packed(RGB, "JPEG", quality=92)


PNG = packed(RGB, "PNG")


def check(data: bytes, expected: np.ndarray) -> None:
    """The file must decode to exactly these pixels."""
    photo = images.decode(data)
    assert photo.dtype == np.uint8
    assert photo.flags.c_contiguous
    assert np.array_equal(photo, expected)
