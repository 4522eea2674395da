"""The rate is a function of the step: the same after a resume, on the longer curve with more."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from cfg.base import TrainSettings
from lib.errors import ConfigError
from lib.trainer import checkpoint, schedules

PEAK = 0.01


def settings(**given: Any) -> TrainSettings:
    return TrainSettings(learning_rate=PEAK, **({"schedule": "cosine"} | given))


def at(rate: Any, step: int) -> float:
    return float(keras.ops.convert_to_numpy(rate(step)))


def test_a_constant_rate_is_the_number_alone() -> None:
    assert schedules.rate(settings(schedule="constant"), 100) == PEAK


def test_cosine_falls_from_the_rate_to_nothing() -> None:
    rate = schedules.rate(settings(), 100)
    for step in (0, 25, 50, 99, 100):
        expected = PEAK * (1 + math.cos(math.pi * step / 100)) / 2
        assert at(rate, step) == pytest.approx(expected, abs=1e-7)


def test_warmup_climbs_to_the_rate_first() -> None:
    rate = schedules.rate(settings(warmup=0.2), 100)
    assert [at(rate, step) for step in (0, 10, 20)] == pytest.approx([0, PEAK / 2, PEAK])
    assert at(rate, 60) == pytest.approx(PEAK / 2)  # half-way from 20 to 100
    assert at(rate, 100) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_the_shortest_runs_have_a_rate_too(steps: int) -> None:
    assert math.isfinite(at(schedules.rate(settings(warmup=0.5), steps), steps))


def test_warmup_without_a_schedule_is_refused() -> None:
    with pytest.raises(ConfigError, match="--warmup is the beginning of --schedule cosine"):
        settings(schedule="constant", warmup=0.1)


def trained(model: keras.Model, steps: int) -> list[np.ndarray]:
    for _ in range(steps):
        model.train_on_batch(np.ones((2, 3), np.float32), np.zeros(2, np.int32))
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights]


def test_a_checkpoint_goes_on_at_the_very_rate(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax")])
    rate = schedules.rate(settings(warmup=0.2), 10)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    trained(model, 4)
    checkpoint.save(model, tmp_path / "m.keras")
    again = checkpoint.load(tmp_path / "m.keras", compiled=True)
    again.optimizer.learning_rate = schedules.rate(settings(warmup=0.2), 10)
    longer = checkpoint.load(tmp_path / "m.keras", compiled=True)
    longer.optimizer.learning_rate = schedules.rate(settings(warmup=0.2), 20)
    expected = trained(model, 6)
    for one, other in zip(expected, trained(again, 6), strict=True):
        np.testing.assert_array_equal(one, other)
    trained(longer, 6)
    assert float(again.optimizer.learning_rate) == pytest.approx(0, abs=1e-8)
    half_way = PEAK * (1 + math.cos(math.pi * (10 - 4) / (20 - 4))) / 2
    assert float(longer.optimizer.learning_rate) == pytest.approx(half_way)
