"""Losses and metrics by name, of a user's own, and smoothed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pushfit.errors import ConfigError
from pushfit.settings.programs.train import TrainSettings
from pushfit.training import checkpoint, losses, models
from pushfit.training.user_code import UserCode

NONE = UserCode()
X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
Y = np.arange(6) % 3


def net() -> keras.Model:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])


def test_without_names_the_tasks_own_are_taken() -> None:
    assert losses.chosen("", (), ("mse", ["mae"]), NONE) == ("mse", ["mae"])
    assert losses.chosen("", (), (None, None), NONE) == (None, None)
    assert losses.chosen("mae", (), ("mse", ["mae"]), NONE) == ("mae", ["mae"])


def test_a_loss_by_name_leaves_class_numbers_their_accuracy() -> None:
    name = "sparse_categorical_crossentropy"
    assert losses.chosen(name, (), (None, None), NONE) == (name, ["accuracy"])
    assert losses.chosen("", ("acc",), (None, None), NONE) == (None, ["accuracy"])


def test_metrics_have_the_name_that_was_given_however_often_they_are_made() -> None:
    for _ in range(2):
        _, (metric,) = losses.chosen("", ("auc",), (None, None), NONE)
        assert metric.name == "auc"


@pytest.mark.parametrize(
    ("loss", "metrics", "said"),
    [
        ("mean_sqared_error", (), "--loss mean_sqared_error: .* did you mean 'mean_squared_error'"),
        ("", ("acuracy",), "--metrics acuracy: .* did you mean 'accuracy'"),
        ("", ("mean_io_u",), "--metrics mean_io_u: Keras makes none without arguments"),
    ],
)
def test_names_that_keras_does_not_know(loss: str, metrics: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        losses.chosen(loss, metrics, (None, None), NONE)


class Own(keras.losses.Loss):  # type: ignore[misc]
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(y_pred, axis=-1)


class Needy(Own):
    def __init__(self, share: float) -> None:
        super().__init__()


def doubled(y_true: Any, y_pred: Any) -> Any:
    return 2 * keras.losses.sparse_categorical_crossentropy(y_true, y_pred)


@pytest.mark.parametrize("own", [Own, Own(), doubled])
def test_a_users_own_loss_is_saved_and_loaded(tmp_path: Path, own: Any) -> None:
    code = UserCode({"mine.py:own": own})
    loss, metrics = losses.chosen("mine.py:own", ("accuracy",), (None, None), code)
    model = net()
    models.compile(model, "sgd", 0.1, loss, metrics)
    model.train_on_batch(X, Y)
    checkpoint.save(model, tmp_path / "m.keras")
    again = checkpoint.load(tmp_path / "m.keras", compiled=True)
    np.testing.assert_array_equal(again.test_on_batch(X, Y), model.test_on_batch(X, Y))


def test_what_is_neither_a_loss_nor_a_function_is_refused() -> None:
    with pytest.raises(ConfigError, match="--loss a:b is int: it must be a class"):
        losses.chosen("a:b", (), (None, None), UserCode({"a:b": 7}))
    with pytest.raises(ConfigError, match="cannot be called without arguments: TypeError"):
        losses.chosen("a:b", (), (None, None), UserCode({"a:b": Needy}))


def test_smoothing_of_class_numbers_is_that_of_shares(tmp_path: Path) -> None:
    model = net()
    smoothed = losses.of_soft_labels(None, 0.2, soft=False)
    models.compile(model, "sgd", 0.1, smoothed, ["accuracy"])
    predicted = keras.ops.convert_to_numpy(model(X))
    targets = np.eye(3)[Y] * 0.8 + 0.2 / 3
    expected = -(targets * np.log(predicted)).sum(axis=1).mean()
    assert model.test_on_batch(X, Y)[0] == pytest.approx(expected, rel=1e-5)
    weights = np.arange(6, dtype=np.float32)
    keras_own = keras.losses.CategoricalCrossentropy(label_smoothing=0.2)
    assert float(smoothed(Y, predicted, sample_weight=weights)) == pytest.approx(
        float(keras_own(np.eye(3)[Y], predicted, sample_weight=weights)), rel=1e-5
    )
    checkpoint.save(model, tmp_path / "m.keras")
    again = checkpoint.load(tmp_path / "m.keras", compiled=True)
    assert again.loss.label_smoothing == 0.2
    np.testing.assert_array_equal(again.test_on_batch(X, Y), model.test_on_batch(X, Y))


def test_which_losses_are_smoothed() -> None:
    soft = losses.of_soft_labels(None, 0.0, soft=True)
    assert soft == "categorical_crossentropy"
    both = losses.of_soft_labels("SparseCategoricalCrossentropy", 0.1, soft=True)
    assert isinstance(both, keras.losses.CategoricalCrossentropy)
    binary = losses.of_soft_labels("binary_crossentropy", 0.1, soft=False)
    assert isinstance(binary, keras.losses.BinaryCrossentropy)
    assert losses.of_soft_labels("mse", 0.0, soft=True) == "mse"
    heads = losses.of_soft_labels({"class": losses.CLASSES, "mask": "mse"}, 0.0, soft=True)
    assert heads == {"class": "categorical_crossentropy", "mask": "mse"}
    for loss in ("mse", Own(), {"mask": "mse"}):
        with pytest.raises(ConfigError, match="--label-smoothing"):
            losses.of_soft_labels(loss, 0.1, soft=False)


def test_what_no_task_can_use_is_told_before_there_is_one() -> None:
    losses.check(TrainSettings(loss="mse", metrics=("mae",)), NONE)
    for wrong in ({"loss": "mze"}, {"metrics": ("mze",)}, {"loss": "mse", "label_smoothing": 0.1}):
        with pytest.raises(ConfigError, match=r"^--"):
            losses.check(TrainSettings(**wrong), NONE)


def test_each_of_several_heads_gets_the_loss_and_metrics_of_its_own() -> None:
    auc = keras.metrics.AUC(name="auc")
    heads = ("class", "other")
    loss, metrics = losses.for_heads(heads, "mse", ["mae", auc], spread=(True, True))
    assert loss == {"class": "mse", "other": "mse"}
    assert metrics["class"][0] == metrics["other"][0] == "mae"
    assert len({id(auc), id(metrics["class"][1]), id(metrics["other"][1])}) == 3
    assert losses.for_heads(("one",), "mse", ["mae"], spread=(True, True)) == ("mse", ["mae"])
