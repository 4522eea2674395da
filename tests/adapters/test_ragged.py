"""Texts of several lengths through each adapter: cut to each batch's longest, of the same hash."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import tensorflow as tf

from bench.lab.processes import ROOT
from pushfit.adapters import keras, tensorflow
from pushfit.adapters.reading import plain
from pushfit.adapters.to_fit import ToFit
from tests.support.ragged import (
    LONGEST,
    MULTIPLE,
    SIDE,
    SPECS,
    Ragged,
    check,
    check_hash,
)
from tests.support.readings import EPOCHS


def test_a_plain_loop() -> None:
    opened, found = Ragged(), {"train": [], "val": []}
    for _ in range(EPOCHS):
        for split, batches in found.items():
            for batch in plain(opened.reading, split, "a loop"):
                batches.append({name: array.copy() for name, array in batch.items()})
    check(found)
    check_hash(opened.feed)


def test_tensorflow() -> None:
    opened, found = Ragged(), {"train": [], "val": []}
    sets = {split: tensorflow.dataset(opened.reading, split) for split in found}
    assert sets["train"].element_spec == {
        "ids": tf.TensorSpec((None, None), tf.int32),
        "length": tf.TensorSpec((None,), tf.uint8),
        "y": tf.TensorSpec((None,), tf.float32),
    }
    for _ in range(EPOCHS):
        for split, batches in found.items():
            batches += sets[split].as_numpy_iterator()
    check(found)
    check_hash(opened.feed)


def test_the_signature_for_keras_is_open_where_the_task_trims() -> None:
    opened = Ragged()
    made = keras.dataset(opened.reading, ToFit(opened.task, SPECS), "train")
    x, y, weight = made.element_spec
    assert [x[name].shape.as_list() for name in ("ids", "mask")] == [[None, None]] * 2
    assert [each.shape.as_list() for each in (y, weight)] == [[None]] * 2
    fixed = ToFit(Ragged(trimmed=False).task, SPECS)
    assert fixed.shapes == [(None, SIDE), (None, SIDE), (None,), (None,)]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_fit_learns_the_same_on_less_padding(backend: str) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.ragged"],
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=ROOT, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    trimmed, whole = json.loads(done.stdout)
    for each, other in zip(trimmed["weights"], whole["weights"], strict=True):
        assert np.isfinite(each).all()
        np.testing.assert_allclose(each, other, rtol=1e-4, atol=1e-5)
    assert set(whole["sides"]) == {SIDE}
    most = -(-LONGEST // MULTIPLE) * MULTIPLE
    assert len(set(trimmed["sides"])) > 1 and max(trimmed["sides"]) <= most
