"""The runs that predict together, and which of them can use the same samples.

They must be of one task and have the same classes in the same order. Their parameters may differ: a
run that was trained on patches of 128 pixels needs other samples than one with 224. So runs with
equal parameters form a **group**, and the test records are streamed once for each group.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pushfit.errors import ConfigError
from pushfit.training import trained_run as runs
from pushfit.training.trained_run import Run


class Group(msgspec.Struct, frozen=True):
    """Runs whose samples are the same.

    numbers: their indices among all runs.
    records: the number of records in a batch.
    samples: the number of samples of a record.
    """

    runs: tuple[Run, ...]
    numbers: tuple[int, ...]
    records: int
    samples: int

    @property
    def first(self) -> Run:
        return self.runs[0]


def find(paths: Sequence[str], file_of_task: str = "") -> list[Run]:
    """The runs, in the order of `paths`. Raises ConfigError if they cannot predict together.

    file_of_task: see `trained_run.find`.
    """
    if not paths:
        raise ConfigError("there is no run to predict with: give --run with a trained run's folder")
    found: list[Run] = []
    for path in paths:
        run = runs.find(Path(path), file_of_task)
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


def groups(
    found: Sequence[Run],
    samples: int,
    batch_size: int,
    *,
    grid: int = 0,
    manipulations: bool = False,
) -> list[Group]:
    """The groups of runs with equal parameters, in the order of the first run of each.

    samples: the number of samples of a record.
    batch_size: samples in a call of a model; 0: the smallest batch size of training in a group.
    grid, manipulations: as for `Task.test_views`.
    Raises ConfigError if the task has no such views.
    """
    alike: dict[bytes, list[int]] = {}
    for number, run in enumerate(found):
        key = msgspec.msgpack.encode(run.task.params, order="sorted")
        alike.setdefault(key, []).append(number)
    made = []
    for numbers in alike.values():
        task, views = found[numbers[0]].task, 1
        if grid or manipulations:
            task, views = task.test_views(grid, manipulations)
        members = tuple(msgspec.structs.replace(found[number], task=task) for number in numbers)
        size = batch_size or min(int(run.settings["batch_size"]) for run in members)
        count = samples * views
        made.append(Group(members, tuple(numbers), max(1, size // count), count))
    return made


def digest(run: Run) -> str:
    """SHA-256 of the run's file."""
    with run.file.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
