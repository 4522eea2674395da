"""The optimizers that the settings know are those of Keras, and Keras makes each of them."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest

from pushfit.errors import ConfigError
from pushfit.settings.optimizers import COMMON, OPTIMIZERS
from pushfit.settings.programs.train import TrainSettings
from pushfit.training import models, optimizers, schedules

WRAPPERS = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
NO_NUMBERS = {"exclude_layers"}  # a list: it cannot be written as name=value


def test_every_optimizer_of_keras_is_known_with_its_arguments() -> None:
    found = {
        name: getattr(keras.optimizers, name)
        for name in dir(keras.optimizers)
        if isinstance(getattr(keras.optimizers, name), type)
        and issubclass(getattr(keras.optimizers, name), keras.optimizers.Optimizer)
    }
    assert found.keys() - WRAPPERS == {each.name for each in OPTIMIZERS.values()}
    for known in OPTIMIZERS.values():
        taken = inspect.signature(found[known.name]).parameters.keys()
        taken -= {"learning_rate", "name", "kwargs"} | NO_NUMBERS
        assert {*known.own, *COMMON} == taken, known.name


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_trains(name: str) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax")])
    chosen = TrainSettings(optimizer=name, optimizer_args=("clipnorm=1",))
    models.compile(model, name, 0.01, arguments=chosen.arguments_of)
    before = [np.array(weight) for weight in model.get_weights()]
    model.train_on_batch(np.ones((2, 3), np.float32), np.array([0, 0]))
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    assert model.optimizer.clipnorm == 1


def test_what_keras_refuses_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="--optimizer adam with clipnorm=1,clipvalue=1: Keras"):
        optimizers.make("adam", 0.1, {"clipnorm": 1, "clipvalue": 1})


def test_a_schedule_counts_steps_where_gradients_are_accumulated_as_well() -> None:
    plain = TrainSettings(schedule="cosine", epochs=2)
    several = TrainSettings(
        schedule="cosine", epochs=2, optimizer_args=("gradient_accumulation_steps=4",)
    )
    rates = []
    for chosen in (plain, several):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax")])
        rate = schedules.rate(chosen, 16)
        models.compile(model, "adam", rate, arguments=chosen.arguments_of)
        for _ in range(16):  # one of the two epochs
            model.train_on_batch(np.ones((2, 3), np.float32), np.array([0, 0]))
        rates.append(float(model.optimizer.learning_rate))
    assert rates[0] == pytest.approx(rates[1]) == pytest.approx(chosen.learning_rate / 2)
