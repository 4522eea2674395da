"""What a model says becomes probabilities of classes, or numbers with their names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushfit.errors import ConfigError
from pushfit.predicting.answers import answers, are_classes, check_numbers, columns
from pushfit.settings.programs.predict import PredictSettings
from pushfit.training.trained_run import Run
from tests.support.fakes import NumberParams, NumberTask


class Regression(NumberTask):
    loss = "mse"


class Named(Regression):
    values = ("dx", "dy")


class Said:
    """Stands for a model: says what it was given, or what `to` makes of it."""

    def __init__(self, to: Any = lambda x: x) -> None:
        self.to = to

    def predict_on_batch(self, x: np.ndarray) -> Any:
        return self.to(x)


def run(task: type[NumberTask] = NumberTask, classes: tuple[str, ...] = ("a", "b")) -> Run:
    return Run(Path("r"), Path("r/best.keras"), {}, classes, task(NumberParams()))


X = np.array([[0, 1], [1, 0], [0.5, 0.5], [0.25, 0.75]], np.float32)


@pytest.mark.parametrize("head", ["", "class"])
def test_the_samples_of_a_record_are_averaged(head: str) -> None:
    model = Said(lambda x: {"class": x, "manipulation": x[:, :1]} if head else x)
    assert answers(run(), model, X, 2).tolist() == [[0.5, 0.5], [0.375, 0.625]]
    with pytest.raises(
        ConfigError, match=re.escape("gives 3 numbers for a sample, but the run has 2")
    ):
        answers(run(), Said(), np.zeros((4, 3)), 2)


@pytest.mark.parametrize(
    ("task", "classes", "width", "wanted"),
    [
        (NumberTask, ("a", "b"), 2, True),
        (NumberTask, ("a", "b"), 3, True),  # which is refused
        (NumberTask, ("all",), 1, False),
        (Regression, ("all",), 3, False),
        (Regression, ("a", "b"), 2, True),  # a loss of its own for classes
        (Regression, ("a", "b"), 1, False),
        (Named, ("a", "b"), 2, False),
    ],
)
def test_what_is_a_class_and_what_a_number(
    task: type[NumberTask], classes: tuple[str, ...], width: int, wanted: bool
) -> None:
    assert are_classes(task(NumberParams()), classes, width) is wanted


def test_numbers_of_any_heads_stand_side_by_side() -> None:
    one = run(Regression, ("all",))
    assert answers(one, Said(lambda x: x[:, 0]), X, 2).tolist() == [[0.5], [0.375]]
    for heads in (
        lambda x: {"far": x[:, :1], "near": x},
        lambda x: [x[:, 0], x],
        lambda x: np.concatenate([x[:, :1], x], axis=1),
    ):
        assert answers(one, Said(heads), X, 4).tolist() == [[0.4375, 0.4375, 0.5625]]
    assert columns(one.task, 2) == ["value1", "value2"]
    assert columns(Named(NumberParams()), 2) == ["dx", "dy"]


@pytest.mark.parametrize(
    ("task", "to", "says"),
    [
        (Regression, lambda x: np.zeros((4, 8, 8, 1)), r"arrays of the shape (8, 8, 1) for a sam"),
        (
            Named,
            lambda x: x[:, :1],
            "gives 1 numbers for a sample, but the task number names 2 values",
        ),
        (Regression, lambda x: x * np.nan, "answers NaN or infinity"),
    ],
)
def test_what_cannot_be_a_row_of_numbers_is_refused(
    task: type[NumberTask], to: Any, says: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        answers(run(task, ("all",)), Said(to), X, 1)


@pytest.mark.parametrize(
    ("given", "flag"),
    [
        ({"combine": "majority"}, "--combine majority"),
        ({"equal_counts": True}, "--equal-counts"),
        ({"labelled": True}, "--labelled"),
        ({"proba": True}, "--proba"),
    ],
)
def test_settings_for_classes_are_refused_for_numbers(given: dict[str, Any], flag: str) -> None:
    with pytest.raises(ConfigError, match=f"{flag} is for classes, and the models of .* number"):
        check_numbers(PredictSettings(**given), run(Regression))
    check_numbers(PredictSettings(), run(Regression))
