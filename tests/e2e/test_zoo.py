"""A run by schedule that was interrupted and gets more epochs; one whose body is frozen."""

from __future__ import annotations

import math
import re
import signal
from pathlib import Path

import keras
import numpy as np
import pytest

from bench.lab.processes import Starter
from pushfit.runs.checkpoint_state import LAST
from tests.support.idx_files import write_digits
from tests.support.run_files import history, variables

pytestmark = pytest.mark.slow


def test_a_cosine_run_interrupted_and_resumed_ends_as_if_left_alone(
    start: Starter, tmp_path: Path
) -> None:
    links = write_digits(tmp_path / "links", 2_400)  # of which a tenth is held out
    calm, wild = tmp_path / "calm", tmp_path / "wild"
    run = ("--task", "digits", "--batch-size", 16, "--epochs", 2, "--generators", 1)
    run += ("--schedule", "cosine", "--warmup", 0.1, "--deterministic", "--no-tensorboard")
    start.trainer(links, *run, "--out", calm).done()
    trainer = start.trainer(links, *run, "--progress", "bar", "--out", wild)
    trainer.wait_for("epoch 1/2: .* loss ")
    trainer.send(signal.SIGINT)
    trainer.done(130)
    resumed = start("train_zmq.py", "--resume", "--out", wild).done()
    assert re.search(r"at (epoch [12], batch|the validation of epoch [12])", resumed)
    assert history(calm) == history(wild)
    for one, other in zip(variables(calm / LAST), variables(wild / LAST), strict=True):
        np.testing.assert_array_equal(one, other)

    # With more epochs it goes on along the longer curve, whose peak is after a tenth of them.
    start("train_zmq.py", "--resume", "--out", wild, "--epochs", 4).done()
    steps = math.ceil(2_160 / 16)
    climb = round(0.1 * 4 * steps)
    for epoch, row in enumerate(history(wild)[2:], 3):
        share = (epoch * steps - climb) / (4 * steps - climb)
        expected = 1e-3 * (1 + math.cos(math.pi * share)) / 2
        assert float(row["learning_rate"]) == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_the_head_alone_is_trained_on_a_body_that_a_run_before_has_trained(
    start: Starter, tmp_path: Path
) -> None:
    links = write_digits(tmp_path / "links", 600)
    first, second = tmp_path / "first", tmp_path / "second"
    run = ("--task", "digits", "--epochs", 1, "--generators", 1, "--no-tensorboard")
    start.trainer(links, *run, "--out", first).done()
    flags = ("--weights", first / "best.keras", "--freeze-body", "--summary", "--keep-better")
    said = start.trainer(links, *run, *flags, "--out", second).done()
    assert re.search(r"parameters, of which [\d,]+ are trained", said)
    assert "global_average" in said or "flatten" in said  # a layer of the summary
    start("train_zmq.py", "--resume", "--out", second, "--epochs", 2).done()

    def weights(path: Path) -> dict[str, list[np.ndarray]]:
        layers = keras.saving.load_model(path).layers
        return {layer.name: layer.get_weights() for layer in layers if layer.weights}

    before, after = weights(first / "best.keras"), weights(second / LAST)
    changed = {
        name
        for name, values in before.items()
        if not all(np.array_equal(*pair) for pair in zip(values, after[name], strict=True))
    }
    assert changed == {name for name in before if name.startswith("dense") or name == "class"}
    assert (second / "better-0001.keras").is_file()
    best = weights(second / "best.keras")
    kept = weights(max(second.glob("better-*.keras")))
    for name, values in best.items():
        assert all(np.array_equal(*pair) for pair in zip(values, kept[name], strict=True))
