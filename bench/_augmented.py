"""Digits turned, zoomed and shifted on one core: a lease at once, and as others do it.

    ours              `Maker.make` of leases of 10,000: randomness, warp, arrays, as it is sent
    cv2_documented    a sample at a time, as a data set's `__getitem__` is written:
                      getRotationMatrix2D, a shift, warpAffine; the samples stacked
    cv2_tuned         the random numbers and matrices of a whole batch at once, warpAffine into it
    keras_documented  RandomRotation, RandomZoom, RandomTranslation in a Sequential, on batches
    keras_tuned       the same compiled, with the larger of its batches that is faster

The ranges are alike: ±10°, ±10 %, ±10 % of a side, bilinear, black outside. One core, one thread,
CPU time; images are in memory for all.

    python -m bench._augmented SIDE SECONDS LINKS      prints JSON
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench._apart import tell
from bench._flow import per
from bench._lease import made
from pushfit.generator.maker import Maker
from pushfit.tasks import create
from pushfit.tasks.base import TRAIN

BATCH, LEASE = 1024, 10_000
ANGLE, ZOOM, SHIFT = 10.0, 0.1, 0.1

Make = Callable[[], int]  # makes some samples, returns how many


def ours(links: Path) -> Make:
    task = create("digits", {"rotation": ANGLE, "zoom": ZOOM, "shift": SHIFT})
    data = task.scan(links)
    maker = Maker(task, data, links, 0, {TRAIN: 1})
    count = len(data.splits[TRAIN])
    lease = min(LEASE, count)
    records = np.random.default_rng(0).permutation(count)[:lease].tolist()
    epoch = itertools.count()
    return lambda: len(made(maker, records, epoch=next(epoch))[0])


def _images(links: Path) -> np.ndarray:
    """(n, 28, 28) uint8, read as we read them."""
    task = create("digits", {"held_out": 0.0})
    records = task.scan(links).splits[TRAIN]
    return np.stack([task.decode(task.read(links, record), record) for record in records])


def cv2_documented(links: Path) -> Make:
    import cv2

    images, rng = _images(links), np.random.default_rng(0)

    def one(image: np.ndarray) -> np.ndarray:
        angle, zoom = rng.uniform(-ANGLE, ANGLE), rng.uniform(1 - ZOOM, 1 + ZOOM)
        matrix: Any = cv2.getRotationMatrix2D((13.5, 13.5), angle, zoom)
        matrix[:, 2] += rng.uniform(-SHIFT * 28, SHIFT * 28, 2)
        return cv2.warpAffine(image, matrix, (28, 28))

    def make() -> int:
        batch = [one(images[n]) for n in rng.integers(0, len(images), BATCH)]
        return len(np.stack(batch)[..., np.newaxis])

    return make


def cv2_tuned(links: Path) -> Make:
    import cv2

    images, rng = _images(links), np.random.default_rng(0)

    def make() -> int:
        angle, zoom = rng.uniform(-ANGLE, ANGLE, BATCH), rng.uniform(1 - ZOOM, 1 + ZOOM, BATCH)
        cosine, sine = zoom * np.cos(np.deg2rad(angle)), zoom * np.sin(np.deg2rad(angle))
        matrices = np.empty((BATCH, 2, 3))
        matrices[:, 0, 0] = matrices[:, 1, 1] = cosine
        matrices[:, 0, 1], matrices[:, 1, 0] = sine, -sine
        matrices[:, :, 2] = 13.5 + rng.uniform(-SHIFT * 28, SHIFT * 28, (BATCH, 2))
        matrices[:, 0, 2] -= 13.5 * (cosine + sine)
        matrices[:, 1, 2] -= 13.5 * (cosine - sine)
        batch = np.empty((BATCH, 28, 28), np.uint8)
        warp, size = cv2.warpAffine, (28, 28)
        chosen = images[rng.integers(0, len(images), BATCH)]
        for image, matrix, into in zip(chosen, matrices, batch, strict=True):
            warp(image, matrix, size, into)
        return len(batch[..., np.newaxis])

    return make


def _keras(links: Path, *, compiled: bool) -> Make:
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    images, rng = _images(links)[..., np.newaxis], np.random.default_rng(0)
    fill = {"fill_mode": "constant", "fill_value": 0.0}
    layers = keras.Sequential(
        [
            keras.layers.RandomRotation(ANGLE / 360, **fill),
            keras.layers.RandomZoom(ZOOM, **fill),
            keras.layers.RandomTranslation(SHIFT, SHIFT, **fill),
        ]
    )

    def augment(batch: Any) -> Any:
        return layers(batch, training=True)

    call, size = augment, BATCH
    if compiled:
        call = tf.function(augment)

        def made(count: int) -> int:
            return len(call(images[:count]).numpy())

        speeds = {n: _speed(partial(made, n), 0.5) for n in (128, BATCH)}
        size = max(speeds, key=lambda n: speeds[n])

    def make() -> int:
        batch = images[rng.integers(0, len(images), size)]
        return len(np.asarray(call(batch)).astype(np.uint8))

    return make


def keras_documented(links: Path) -> Make:
    return _keras(links, compiled=False)


def keras_tuned(links: Path) -> Make:
    return _keras(links, compiled=True)


SIDES: dict[str, Callable[[Path], Make]] = {
    "ours": ours,
    "cv2_documented": cv2_documented,
    "cv2_tuned": cv2_tuned,
    "keras_documented": keras_documented,
    "keras_tuned": keras_tuned,
}


def _speed(make: Make, seconds: float) -> float:
    """Samples a CPU second; what it makes first, while caches and compilers warm up, is not
    counted."""
    make()
    started, count = time.process_time(), 0
    while (spent := time.process_time() - started) < seconds or not count:
        count += make()
    return per(count, spent, "CPU seconds")


def measure(side: str, seconds: float, links: Path) -> dict[str, float]:
    os.environ["OMP_NUM_THREADS"] = "1"
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if side.startswith("cv2"):
        import cv2

        cv2.setNumThreads(0)
    return {"samples_s": _speed(SIDES[side](links), seconds)}


if __name__ == "__main__":
    tell(measure)
