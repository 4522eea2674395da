"""Optimizers by name and their arguments, without Keras."""

from __future__ import annotations

import pytest

from pushfit.errors import ConfigError
from pushfit.settings.optimizers import arguments, find
from pushfit.settings.programs.train import TrainSettings


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("adam", "adam"), ("AdamW", "adamw"), ("adam_w", "adamw"), ("schedule_free_adam_w",) * 2],
)
def test_any_spelling_of_a_name_is_understood(typed: str, meant: str) -> None:
    assert find(typed) == meant.replace("_", "")
    assert TrainSettings(optimizer=typed).optimizer == find(typed)  # --resume compares this


def test_a_mistyped_optimizer_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown optimizer 'admaw', did you mean 'adamw'"):
        TrainSettings(optimizer="admaw")


def test_arguments_become_values() -> None:
    given = ("weight_decay=0.05", "clipnorm=1", "use_ema=true", "amsgrad=no", "clipvalue=none")
    found = arguments("adamw", given)
    assert found == {
        "weight_decay": 0.05, "clipnorm": 1, "use_ema": True, "amsgrad": False, "clipvalue": None,
    }  # fmt: skip
    assert type(found["clipnorm"]) is int


@pytest.mark.parametrize(
    ("optimizer", "given", "said"),
    [
        ("adam", "wieght_decay=1", "Adam has no argument 'wieght_decay', did you mean 'weight_dec"),
        ("adam", "momentum=0.9", "Adam has no argument 'momentum'"),
        ("sgd", "momentum=0.9", "give --momentum 0.9 instead"),
        ("adam", "learning_rate=1", "give --learning-rate 1 instead"),
        ("adam", "clipnorm", "write name=value"),
        ("adam", "clipnorm=big", "must be a number, true, false or none"),
        ("adam", "clipnorm=nan", "must be a number, true, false or none"),
        ("adam", "name=mine", "has no argument 'name'"),
    ],
)
def test_what_an_optimizer_does_not_take_is_refused(optimizer: str, given: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"--optimizer-args {given}: .*{said}"):
        TrainSettings(optimizer=optimizer, optimizer_args=(given,))


def test_an_argument_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="clipnorm is given twice"):
        arguments("adam", ("clipnorm=1", "clipnorm=2"))
