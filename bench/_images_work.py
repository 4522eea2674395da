"""The job of `bench images`, and a sample of it in Python, as documented and as fast as it goes.

The job: a random part of a photo (8 to 100 % of its area, 3:4 to 4:3), resized to a square by
antialiased bilinear interpolation, mirrored half of the time; batches of uint8 in random order.
"""

from __future__ import annotations

import io
import math
import random
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

BATCH, SIZE = 32, 224
SCALE, RATIO, FLIP = (0.08, 1.0), (3 / 4, 4 / 3), 0.5
EPOCH = (
    100_000  # photos: an epoch is as long as those of real data sets, however few files lie there
)
TRIES = 10


class Job(msgspec.Struct, frozen=True, dict=True):
    """links: the folder that holds train/CLASS/. formats: the folder of other libraries' own files.

    workers: processes or threads that make samples; 0: the consumer makes them itself.
    task: what our side runs, a name or a file.
    """

    links: str
    formats: str
    workers: int
    task: str

    @property
    def train(self) -> Path:
        return Path(self.links) / "train"

    @cached_property
    def classes(self) -> list[str]:
        return sorted(folder.name for folder in self.train.iterdir() if folder.is_dir())

    @cached_property
    def photos(self) -> list[tuple[str, int]]:
        """(path, label) of every photo once."""
        return [
            (str(path), label)
            for label, name in enumerate(self.classes)
            for path in sorted((self.train / name).iterdir())
        ]

    @property
    def copies(self) -> int:
        """How often the photos have to be listed for a long epoch."""
        return -(-EPOCH // len(self.photos))


def drawn_part(width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of a random part, as torchvision's transform draws it."""
    low, high = map(math.log, RATIO)
    for _ in range(TRIES):
        area = width * height * random.uniform(*SCALE)
        ratio = math.exp(random.uniform(low, high))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return random.randint(0, width - w), random.randint(0, height - h), w, h
    w = min(width, round(height * RATIO[1]))
    h = min(height, round(width / RATIO[0]))
    return (width - w) // 2, (height - h) // 2, w, h


def pillow_sample(data: bytes) -> np.ndarray:
    """(SIZE, SIZE, 3) uint8 from a JPEG: decoded whole, cut, resized and mirrored by Pillow."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as opened:
        return pillow_varied(opened.convert("RGB"))


def pillow_varied(photo: Any) -> np.ndarray:
    """(SIZE, SIZE, 3) uint8 from a decoded Pillow image."""
    from PIL import Image

    x, y, w, h = drawn_part(photo.width, photo.height)
    part = photo.crop((x, y, x + w, y + h)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    if random.random() < FLIP:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.array(part)


def fast_sample(data: bytes, out: np.ndarray | None = None) -> np.ndarray:
    """(SIZE, SIZE, 3) uint8 from a JPEG, by the fastest general libraries that Python has.

    simplejpeg decodes it (libjpeg-turbo, as accurately as Pillow), OpenCV resizes: by areas where
    the part is larger than the sample, linearly elsewhere.
    out: where it is written; None: a new array.
    """
    import cv2
    import simplejpeg

    photo = simplejpeg.decode_jpeg(data)
    x, y, w, h = drawn_part(photo.shape[1], photo.shape[0])
    how = cv2.INTER_AREA if w > SIZE and h > SIZE else cv2.INTER_LINEAR
    made = cv2.resize(photo[y : y + h, x : x + w], (SIZE, SIZE), dst=out, interpolation=how)
    return cv2.flip(made, 1, dst=made) if random.random() < FLIP else made
