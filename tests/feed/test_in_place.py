"""Batches in memory that is used again reach each back end whole, though it reads them in place."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from bench.lab.processes import ROOT

SCRIPT = """
from collections.abc import Iterator

import keras
import numpy as np

from pushfit.tasks.base import TRAIN
from pushfit.tasks.camera.params import CameraParams
from pushfit.tasks.camera.task import CameraTask
from pushfit.training import backend
from pushfit.feed.buffers import Buffers
from pushfit.training.fit_data import dataset
from pushfit.adapters.to_fit import ToFit

BATCHES, ROWS = 60, 8
buffers, task = Buffers(), CameraTask(CameraParams(patch=128))


class Feed:
    "Batches of one value each, in memory as the product's feed uses it."

    specs = task.arrays()
    places: set[int] = set()

    def steps(self, split: str) -> int:
        return BATCHES

    def batches(self, split: str) -> Iterator[object]:
        for number in range(BATCHES):
            made = {s.name: buffers.empty((ROWS, *s.shape), s.dtype) for s in self.specs}
            for array in made.values():
                array[...] = number
            self.places.add(made["image"].ctypes.data)
            yield type("Batch", (), {"arrays": made})


class Keeper(keras.Model):
    "A user's model that keeps what it was trained on."

    kept = []

    def train_step(self, data):
        self.kept.append(data[0])
        return {"loss": 0.0}


assert f" on {keras.backend.backend()}, " in backend.start()
feed = Feed()
image = keras.Input((128, 128, 3), dtype="uint8")
number = keras.ops.cast(image, "float32")
extremes = keras.ops.stack([f(number, axis=(1, 2, 3)) for f in (keras.ops.min, keras.ops.max)], 1)
model = keras.Model(image, extremes)
to_fit = ToFit(task, task.arrays(), model)
seen = model.predict(dataset(feed, to_fit, TRAIN, BATCHES), verbose=0)
expected = np.repeat(np.arange(BATCHES), ROWS)
assert (np.asarray(seen) == expected[:, None]).all(), np.asarray(seen)[::ROWS]
assert len(feed.places) < BATCHES, "no memory was used again: this shows nothing"

tensors = []
for batch in feed.batches(TRAIN):
    tensors.append(keras.ops.convert_to_tensor(batch.arrays["image"]))
for value, tensor in enumerate(tensors):
    assert (keras.ops.convert_to_numpy(tensor) == value).all(), value

if keras.backend.backend() != "jax":  # whose train_step is compiled: it sees no batch
    keeper = Keeper(image, extremes)
    keeper.compile("sgd", run_eagerly=True)
    keeper.fit(dataset(feed, to_fit, TRAIN, BATCHES), steps_per_epoch=BATCHES, verbose=0)
    assert len(keeper.kept) == BATCHES
    for value, tensor in enumerate(keeper.kept):
        assert (keras.ops.convert_to_numpy(tensor) == value).all(), value
print("whole")
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "torch", "jax"])
def test_batches_are_whole(backend: str) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("whole")
