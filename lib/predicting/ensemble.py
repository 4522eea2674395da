"""The runs that predict together, and which of them can look at the same samples.

They must be of one task and have the same classes in the same order. Their parameters may differ:
a run trained on patches of 128 pixels wants other samples than one trained on 224. So runs with
equal parameters make a **group**, and the test records are streamed once a group.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lib.errors import ConfigError
from lib.trainer import runs
from lib.trainer.runs import Run


class Group(msgspec.Struct, frozen=True):
    """Runs whose samples are the same.

    numbers: their places among all runs; records: of a batch; samples: of a record.
    """

    runs: tuple[Run, ...]
    numbers: tuple[int, ...]
    records: int
    samples: int

    @property
    def first(self) -> Run:
        return self.runs[0]


def find(paths: Sequence[str]) -> list[Run]:
    """The runs, in the order given. Raises ConfigError where they cannot predict together."""
    if not paths:
        raise ConfigError("which model is to predict? Give --run with the folder of a trained run")
    found: list[Run] = []
    for path in paths:
        run = runs.find(Path(path))
        if any(run.file.resolve() == other.file.resolve() for other in found):
            raise ConfigError(f"--run {path} is given twice: name each run once")
        found.append(run)
    first = found[0]
    for run in found[1:]:
        task, other = first.settings["task"], run.settings["task"]
        if other != task:
            raise ConfigError(
                f"{first.path} is a run of the task {task}, and {run.path} of {other}: only runs "
                "of one task can predict together"
            )
        if run.classes != first.classes:
            raise ConfigError(
                f"{first.path} and {run.path} do not know the same classes: {_differ(first, run)}. "
                "Only runs with the same classes can predict together"
            )
    return found


def _differ(one: Run, other: Run) -> str:
    only = [
        f"{', '.join(repr(name) for name in here.classes if name not in there.classes)} "
        f"only in {here.path}"
        for here, there in ((one, other), (other, one))
        if set(here.classes) - set(there.classes)
    ]
    return "; ".join(only) or "they are in another order"


def groups(found: Sequence[Run], samples: int, batch_size: int) -> list[Group]:
    """Runs with equal parameters together, in the order of the first of each.

    batch_size: samples in a call of a model; 0: as in training, the least of a group.
    """
    alike: dict[bytes, list[int]] = {}
    for number, run in enumerate(found):
        key = msgspec.msgpack.encode(run.task.params, order="sorted")
        alike.setdefault(key, []).append(number)
    made = []
    for numbers in alike.values():
        members = tuple(found[number] for number in numbers)
        size = batch_size or min(int(run.settings["batch_size"]) for run in members)
        made.append(Group(members, tuple(numbers), max(1, size // samples), samples))
    return made


def digest(run: Run) -> str:
    """SHA-256 of the run's file."""
    with run.file.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def probabilities(run: Run, model: Any, x: Any, samples: int) -> np.ndarray:
    """(records, classes) float32: what `model` says of x, the mean over each record's samples.

    Raises ConfigError where it does not say a number for each class.
    """
    said = model.predict_on_batch(x)
    said = np.asarray(said["class"] if isinstance(said, dict) else said, np.float32)
    if said.ndim != 2 or said.shape[1] != len(run.classes):
        raise ConfigError(
            f"the model {run.file} gives {said.shape[1:]} numbers a sample, and the run has "
            f"{len(run.classes)} classes: a submission needs one number a class"
        )
    mean: np.ndarray = said.reshape(-1, samples, said.shape[1]).mean(axis=1)
    return mean
