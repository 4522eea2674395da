"""`--list-models`, and a run by schedule that was interrupted and gets more epochs."""

from __future__ import annotations

import math
import re
import signal
from pathlib import Path

import numpy as np
import pytest

from lib.trainer.state import LAST
from tests.e2e.processes import Starter
from tests.e2e.test_resume import history, variables
from tests.tasks.idx_files import write_digits

pytestmark = pytest.mark.slow


def test_the_models_are_listed_without_data_or_fleet(start: Starter) -> None:
    said = start("train_zmq.py", "--list-models", "--links", "/nowhere").done()
    rows = [line.split() for line in said.splitlines()]
    assert ["mobilenet", "3.23", "M", "32", "px", "yes"] in rows
    assert ["squeezenet1.1", "0.73", "M", "8", "px"] in rows


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
