"""The rate is a function of the step: the same after a resume, on the longer curve with more."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pushfit.errors import ConfigError
from pushfit.settings.programs.train import TrainSettings
from pushfit.training import checkpoint, models, schedules

PEAK = 0.01


def settings(**given: Any) -> TrainSettings:
    return TrainSettings(learning_rate=PEAK, **({"schedule": "cosine"} | given))


def at(rate: Any, step: int) -> float:
    return float(keras.ops.convert_to_numpy(rate(step)))


def test_a_constant_rate_is_the_number_alone() -> None:
    assert schedules.rate(settings(schedule="constant"), 10) == PEAK


def test_cosine_falls_from_the_rate_to_nothing() -> None:
    rate = schedules.rate(settings(), 10)  # steps an epoch, of which there are ten
    for step in (0, 25, 50, 99, 100):
        expected = PEAK * (1 + math.cos(math.pi * step / 100)) / 2
        assert at(rate, step) == pytest.approx(expected, abs=1e-7)


def test_warmup_climbs_to_the_rate_first() -> None:
    rate = schedules.rate(settings(warmup=0.2), 10)
    assert [at(rate, step) for step in (0, 10, 20)] == pytest.approx([0, PEAK / 2, PEAK])
    assert at(rate, 60) == pytest.approx(PEAK / 2)  # half-way from 20 to 100
    assert at(rate, 100) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_the_shortest_runs_have_a_rate_too(steps: int) -> None:
    assert math.isfinite(at(schedules.rate(settings(warmup=0.5), steps), steps))


def test_an_exponential_rate_falls_by_its_factor_in_each_epoch() -> None:
    rate = schedules.rate(settings(schedule="exponential", decay=0.5), 10)
    falling = [at(rate, step) for step in (0, 5, 10, 20)]
    assert falling == pytest.approx([PEAK, PEAK * 0.5**0.5, PEAK / 2, PEAK / 4])


def test_a_cyclic_rate_starts_at_the_top_again_and_again() -> None:
    rate = schedules.rate(settings(schedule="cyclic", cycle_epochs=2), 10)
    for step in (0, 20, 40, 100):
        assert at(rate, step) == pytest.approx(PEAK)
        assert at(rate, step + 10) == pytest.approx(PEAK / 2)
        assert at(rate, step + 19) < PEAK / 100


@pytest.mark.parametrize(
    ("name", "value", "schedule", "default"),
    [
        ("warmup", 0.1, "cosine", "0"),
        ("decay", 0.5, "exponential", "0.95"),
        ("cycle_epochs", 3, "cyclic", "10"),
    ],
)
def test_what_is_for_one_schedule_is_refused_with_another(
    name: str, value: float, schedule: str, default: str
) -> None:
    settings(**{"schedule": schedule, name: value})
    with pytest.raises(
        ConfigError, match=f"works with --schedule {schedule}, .* its default, {default}"
    ):
        settings(**{"schedule": "constant", name: value})


@pytest.mark.parametrize(
    ("given", "momentum"),
    [
        ({"optimizer": "sgd"}, 0.9),
        ({"optimizer": "sgd", "momentum": 0.5}, 0.5),
        ({"optimizer": "rmsprop"}, 0.0),
        ({"optimizer": "rmsprop", "momentum": 0.0}, 0.0),
    ],
)
def test_sgd_has_momentum_by_default(given: dict[str, Any], momentum: float) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax")])
    chosen = settings(**given)
    models.compile(model, chosen.optimizer, PEAK, arguments=chosen.arguments_of)
    assert type(model.optimizer).__name__.lower() == given["optimizer"]
    assert model.optimizer.momentum == momentum


def test_momentum_of_adam_is_refused() -> None:
    assert settings().momentum_of == {}
    with pytest.raises(ConfigError, match="--momentum is for the optimizers sgd and rmsprop"):
        settings(momentum=0.5)


def trained(model: keras.Model, steps: int) -> list[np.ndarray]:
    for _ in range(steps):
        model.train_on_batch(np.ones((2, 3), np.float32), np.zeros(2, np.int32))
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights]


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
@pytest.mark.parametrize("schedule", ["exponential", "cyclic"])
def test_plain_keras_loads_what_was_trained_and_goes_on_to_the_same_weights(
    tmp_path: Path, optimizer: str, schedule: str
) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax")])
    chosen = settings(schedule=schedule, optimizer=optimizer)
    models.compile(model, optimizer, schedules.rate(chosen, 3), arguments=chosen.arguments_of)
    trained(model, 4)
    checkpoint.save(model, tmp_path / "best.keras")
    again = keras.saving.load_model(tmp_path / "best.keras")
    for one, other in zip(trained(model, 6), trained(again, 6), strict=True):
        np.testing.assert_array_equal(one, other)
    assert float(again.optimizer.learning_rate) == float(model.optimizer.learning_rate) < PEAK


def test_a_checkpoint_goes_on_at_the_very_rate(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax")])
    rate = schedules.rate(settings(warmup=0.2), 1)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    trained(model, 4)
    checkpoint.save(model, tmp_path / "m.keras")
    again = checkpoint.load(tmp_path / "m.keras", compiled=True)
    again.optimizer.learning_rate = schedules.rate(settings(warmup=0.2), 1)
    longer = checkpoint.load(tmp_path / "m.keras", compiled=True)
    longer.optimizer.learning_rate = schedules.rate(settings(warmup=0.2), 2)
    expected = trained(model, 6)
    for one, other in zip(expected, trained(again, 6), strict=True):
        np.testing.assert_array_equal(one, other)
    trained(longer, 6)
    assert float(again.optimizer.learning_rate) == pytest.approx(0, abs=1e-8)
    half_way = PEAK * (1 + math.cos(math.pi * (10 - 4) / (20 - 4))) / 2
    assert float(longer.optimizer.learning_rate) == pytest.approx(half_way)
