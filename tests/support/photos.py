"""Small photos for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import simplejpeg


def write_photos(
    links: Path,
    classes: tuple[str, ...] = ("alpha", "beta"),
    train: int = 4,
    val: int = 2,
    size: tuple[int, int] = (120, 160),
) -> Path:
    """Noise of 160 × 120 pixels, darker in the first class: JPEGs in the camera layout."""
    rng = np.random.default_rng(0)
    for folder, count in (("train", train), ("val_images", val)):
        for label, name in enumerate(classes):
            (links / folder / name).mkdir(parents=True)
            for number in range(count):
                photo = np.clip(rng.normal(60 + 120 * label, 30, (*size, 3)), 0, 255)
                jpeg = simplejpeg.encode_jpeg(photo.astype(np.uint8), quality=90)
                (links / folder / name / f"{number:02}.jpg").write_bytes(jpeg)
    return links
