"""Scenes to filter, and how results compare."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from pushfit.tasks.camera.manipulations import KNOWN


def scene(height: int, width: int, seed: int = 3) -> np.ndarray:
    """Edges, waves and grain: (height, width, 3) uint8."""
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(seed)
    base = 128 + 70 * np.sin(x / 3.1) * np.cos(y / 4.3) + 50 * ((x // 17 + y // 13) % 2)
    return np.clip(base[..., None] + rng.normal(0, 12, (height, width, 3)), 0, 255).astype(np.uint8)


def whole(photo: np.ndarray, name: str) -> np.ndarray:
    """The whole photo, manipulated by Pillow alone; resized rows first, as a landscape photo is."""
    image = Image.fromarray(photo)
    if name.startswith("jpeg"):
        out = io.BytesIO()
        image.save(out, "JPEG", quality=int(name[4:]), subsampling="4:2:0")
        return np.asarray(Image.open(out))
    if name.startswith("gamma"):
        table = [round(255 * (v / 255) ** float(name[5:])) for v in range(256)]
        return np.asarray(image.point(table * 3))
    factor = float(name[6:])
    width, height = round(photo.shape[1] * factor), round(photo.shape[0] * factor)
    wide = image.resize((width, photo.shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(wide.resize((width, height), Image.Resampling.BICUBIC))


def worst(photo: np.ndarray, manipulated: np.ndarray, name: str, x: int, y: int, side: int) -> int:
    """The largest difference, in levels, between our patch and that of the whole."""
    ours = KNOWN[name].cut(photo, x, y, side)
    assert ours.shape == (side, side, 3)
    assert ours.dtype == np.uint8
    theirs = manipulated[y : y + side, x : x + side]
    return int(np.abs(ours.astype(int) - theirs).max())
