"""One patch from one photo, as others would make it: same sizes, manipulations and rate as ours.

    draw(rng)                 a manipulation for half of the patches, each of the eight alike
    one_patch(path, px, rng)  OpenCV, as data loaders are usually written for this competition
    pillow_patch(…)           Pillow, as the documentation of the loaders does it
    Graph(px)                 native TensorFlow ops, inside a tf.data graph

What a resized patch needs is cut out first, by all of them: resizing whole photos would be a straw
man. Photos are not turned by their EXIF tag.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from pushfit.tasks.camera.params import ALL

TABLES = {
    gamma: np.array([round(255 * (v / 255) ** gamma) for v in range(256)], np.uint8)
    for gamma in (0.8, 1.2)
}


def draw(rng: np.random.Generator) -> str:
    """The name of a manipulation, or "none" for half of the patches."""
    return ALL[int(rng.integers(len(ALL)))] if rng.random() < 0.5 else "none"


def source_side(name: str, px: int) -> int:
    """Width and height of what a patch of `px` is made from."""
    return round(px / float(name[6:])) if name.startswith("resize") else px


def one_patch(path: Path, px: int, rng: np.random.Generator) -> np.ndarray:
    """(px, px, 3) uint8: OpenCV decodes the whole photo, one patch is cut and manipulated."""
    import cv2

    photo = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    assert photo is not None, path
    name = draw(rng)
    side = source_side(name, px)
    y, x = (int(rng.integers(length - side + 1)) for length in photo.shape[:2])
    patch = np.ascontiguousarray(photo[y : y + side, x : x + side])
    if name.startswith("jpeg"):
        _, packed = cv2.imencode(".jpg", patch, [cv2.IMWRITE_JPEG_QUALITY, int(name[4:])])
        unpacked = cv2.imdecode(packed, cv2.IMREAD_COLOR)
        assert unpacked is not None
        return unpacked
    if name.startswith("resize"):
        return cv2.resize(patch, (px, px), interpolation=cv2.INTER_CUBIC)
    if name.startswith("gamma"):
        return cv2.LUT(patch, TABLES[float(name[5:])])
    return patch


def pillow_patch(path: Path, px: int, rng: np.random.Generator) -> np.ndarray:
    """(px, px, 3) uint8, drawn and made by Pillow."""
    from PIL import Image

    with Image.open(path) as photo:
        name = draw(rng)
        side = source_side(name, px)
        x, y = (int(rng.integers(length - side + 1)) for length in photo.size)
        patch = photo.convert("RGB").crop((x, y, x + side, y + side))
    return np.asarray(manipulated(patch, name, px))


def manipulated(patch: Any, name: str, px: int) -> Any:
    """A Pillow image of `source_side` pixels a side, manipulated."""
    from PIL import Image

    if name.startswith("jpeg"):
        packed = io.BytesIO()
        patch.save(packed, "JPEG", quality=int(name[4:]))
        return Image.open(packed)
    if name.startswith("resize"):
        return patch.resize((px, px), Image.Resampling.BICUBIC)
    if name.startswith("gamma"):
        return patch.point(TABLES[float(name[5:])].tolist() * 3)
    return patch


class Graph:
    """tf.data functions: from a path to one patch, or to `k` of one decoding.

    tuned: a table for the gamma; and one patch alone is decoded with `decode_and_crop_jpeg`.
    """

    def __init__(self, px: int, *, tuned: bool = False) -> None:
        import tensorflow as tf

        self.tf, self.px, self.tuned = tf, px, tuned
        self.names = ("none", *ALL)
        sides = [source_side(name, px) for name in self.names]
        self.sides = tf.constant(sides, tf.int32)
        self.tables = {gamma: tf.constant(table) for gamma, table in TABLES.items()}

    def one(self, path: Any) -> Any:
        """(px, px, 3) uint8."""
        tf = self.tf
        data = tf.io.read_file(path)
        if not self.tuned:
            return self._patch(tf.io.decode_jpeg(data, channels=3))
        chosen, y, x, side = self._place(tf.io.extract_jpeg_shape(data))
        patch = tf.io.decode_and_crop_jpeg(data, tf.stack([y, x, side, side]), channels=3)
        return self.change(patch, chosen)

    def many(self, path: Any, k: int) -> Any:
        """(k, px, px, 3) uint8 from one decoding."""
        photo = self.tf.io.decode_jpeg(self.tf.io.read_file(path), channels=3)
        return self.tf.stack([self._patch(photo) for _ in range(k)])

    def _patch(self, photo: Any) -> Any:
        chosen, y, x, side = self._place(self.tf.shape(photo))
        return self.change(photo[y : y + side, x : x + side], chosen)

    def _place(self, shape: Any) -> tuple[Any, Any, Any, Any]:
        tf = self.tf
        chosen = tf.where(
            tf.random.uniform([]) < 0.5,
            tf.random.uniform([], 1, len(self.names), tf.int32),
            0,
        )
        side = self.sides[chosen]
        y = tf.random.uniform([], 0, shape[0] - side + 1, tf.int32)
        x = tf.random.uniform([], 0, shape[1] - side + 1, tf.int32)
        return chosen, y, x, side

    def change(self, patch: Any, chosen: Any) -> Any:
        """`patch`, of the chosen manipulation's side, manipulated by it."""
        made = self.tf.switch_case(
            chosen, [lambda name=name: self._change(patch, name) for name in self.names]
        )
        return self.tf.ensure_shape(made, (self.px, self.px, 3))

    def _change(self, patch: Any, name: str) -> Any:
        tf, px = self.tf, self.px
        if name.startswith("jpeg"):
            return tf.image.adjust_jpeg_quality(patch, int(name[4:]))
        if name.startswith("resize"):
            scaled = tf.image.resize(patch, (px, px), "bicubic", antialias=True)
            return tf.saturate_cast(tf.round(scaled), tf.uint8)
        if name.startswith("gamma"):
            gamma = float(name[5:])
            if self.tuned:
                return tf.gather(self.tables[gamma], tf.cast(patch, tf.int32))
            return tf.image.adjust_gamma(patch, gamma)
        return patch
