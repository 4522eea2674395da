"""The answers of a model: a probability for each class or, for other targets, numbers.

They are numbers if the task names them (`Task.values`), if its data has a single class, or if the
task has its own loss and the model does not give one number for each class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pushfit.errors import ConfigError
from pushfit.settings.programs.predict import PredictSettings
from pushfit.tasks.base import Task
from pushfit.training.trained_run import Run


def are_classes(task: Task, classes: Sequence[str], width: int) -> bool:
    """Return whether `width` numbers of a model are the probabilities of the classes.

    `answers` refuses them if they are neither these nor numbers of the task.
    """
    if task.values or len(classes) < 2:
        return False
    return task.loss is None or width == len(classes)


def columns(task: Task, width: int) -> list[str]:
    """Names for `width` numbers: those of the task, or ``value1``, ``value2``, …"""
    return list(task.values) or [f"value{number}" for number in range(1, width + 1)]


def check_numbers(settings: PredictSettings, run: Run) -> None:
    """Raise ConfigError for a setting that is only for classes."""
    for flag, given in {
        f"--combine {settings.combine}": settings.combine != "mean",
        "--equal-counts": settings.equal_counts,
        "--labelled": settings.labelled,
        "--proba": settings.proba,
    }.items():
        if given:
            raise ConfigError(
                f"{flag} is for classes, and the models of the task {run.task.name} give numbers: "
                "predict without it"
            )


def answers(run: Run, model: Any, x: Any, samples: int) -> np.ndarray:
    """(records, n) float32: the answers of `model` to x, averaged over each record's samples.

    samples: the number of samples of a record.
    Raises ConfigError if the answers are neither probabilities of the run's classes nor numbers of
    the task.
    """
    said = model.predict_on_batch(x)
    classes = run.classes
    if isinstance(said, dict) and "class" in said and not run.task.values:
        said = said["class"]
    parts = _parts(said)
    if any(part.ndim != 2 for part in parts):
        shapes = ", ".join(str(part.shape[1:]) for part in parts)
        raise ConfigError(
            f"the model {run.file} gives arrays of the shape {shapes} for a sample: a table of "
            "answers needs a number or a row of numbers"
        )
    row = np.concatenate(parts, axis=1)
    width = row.shape[1]
    if are_classes(run.task, classes, width) and width != len(classes):
        raise ConfigError(
            f"the model {run.file} gives {width} numbers for a sample, but the run has "
            f"{len(classes)} classes: a submission needs one number for each class"
        )
    if run.task.values and width != len(run.task.values):
        raise ConfigError(
            f"the model {run.file} gives {width} numbers for a sample, but the task "
            f"{run.task.name} names {len(run.task.values)} values: {', '.join(run.task.values)}"
        )
    if not np.isfinite(row).all():
        raise ConfigError(f"the model {run.file} answers NaN or infinity: predict without that run")
    mean: np.ndarray = row.reshape(-1, samples, width).mean(axis=1)
    return mean


def _parts(said: Any) -> list[np.ndarray]:
    """The outputs of a model in their order, float32, with at least one column each."""
    if isinstance(said, dict):
        said = list(said.values())
    parts = [np.asarray(part, np.float32) for part in (said if _is_list(said) else [said])]
    return [part[:, np.newaxis] if part.ndim == 1 else part for part in parts]


def _is_list(said: Any) -> bool:
    return isinstance(said, list | tuple)
