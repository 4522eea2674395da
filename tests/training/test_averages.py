"""The optimizer's average of the weights: looked at, kept in best.keras, and taken out again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pushfit.training import checkpoint
from pushfit.training.averages import Averages
from pushfit.training.checkpoint import Checkpoints

X = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
Y = (X.sum(axis=1) > 0).astype(np.int32)


def net(use_ema: bool = True) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    optimizer = keras.optimizers.SGD(0.5, use_ema=use_ema, ema_momentum=0.9)
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Looking(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.tested: list[Any] = []
        self.trained: list[Any] = []

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.tested.append(self.model.get_weights())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.trained.append(self.model.get_weights())


def fit(model: keras.Model, *callbacks: Any, epochs: int = 2, start: int = 0) -> None:
    model.fit(
        X, Y, batch_size=8, epochs=epochs, initial_epoch=start, shuffle=False, verbose=0,
        validation_data=(X, Y), callbacks=list(callbacks),
    )  # fmt: skip


def test_validation_and_the_best_model_have_the_average_and_training_does_not(
    tmp_path: Path,
) -> None:
    model = net()
    averages, looking = Averages(model), Looking()
    kept = Checkpoints(tmp_path, "val_loss", averages=averages)
    fit(model, averages, looking, kept)
    plain = net(use_ema=False)
    fit(plain)
    for one, other in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)  # also after `fit`, and over its epochs
    average = [np.array(each) for each in model.optimizer._model_variables_moving_average]
    for one, other in zip(looking.tested[-1], average, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (looking.tested[-1][0] != looking.trained[-1][0]).any()
    best, last = (checkpoint.load(tmp_path / f"{name}.keras") for name in ("best", "last"))
    np.testing.assert_array_equal(best.get_weights()[0], average[0])
    np.testing.assert_array_equal(last.get_weights()[0], model.get_weights()[0])


def test_two_fits_end_as_one() -> None:
    one, two = net(), net()
    fit(one, Averages(one))
    averages = Averages(two)
    fit(two, averages, epochs=1)
    fit(two, averages, start=1)
    for first, second in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_what_ends_a_validation_leaves_the_average_to_be_taken_out() -> None:
    model = net()
    averages = Averages(model)

    class Stopping(Looking):
        def on_test_begin(self, logs: Any = None) -> None:
            self.tested.append(self.model.get_weights())
            raise KeyboardInterrupt

    stopping = Stopping()
    with pytest.raises(KeyboardInterrupt):
        fit(model, averages, stopping)
    plain = net(use_ema=False)
    plain.fit(X, Y, batch_size=8, shuffle=False, verbose=0)
    averages.take_out()
    np.testing.assert_array_equal(model.get_weights()[0], plain.get_weights()[0])
    assert (stopping.tested[0][0] != plain.get_weights()[0]).any()


def test_a_model_without_an_average_is_left_alone(tmp_path: Path) -> None:
    model = net(use_ema=False)
    averages = Averages(model)
    fit(model, averages, Checkpoints(tmp_path, "val_loss", averages=averages))
    assert not averages.used
    best, last = (checkpoint.load(tmp_path / f"{name}.keras") for name in ("best", "last"))
    np.testing.assert_array_equal(best.get_weights()[0], last.get_weights()[0])
