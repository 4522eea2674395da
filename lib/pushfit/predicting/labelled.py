"""The true labels of records that lie in a folder for each class: `--labelled`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pushfit.errors import DataError, alike, nearest
from pushfit.tasks.base import UNKNOWN, Task


def labels(task: Task, paths: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """(records,) int32: the label that each path names; UNKNOWN: the task's samples have it.

    Raises DataError if a record lies in no folder, or in one that is not named like a class.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    found = np.full(len(paths), UNKNOWN, np.int32)
    for record, path in enumerate(paths):
        name = task.true_class(path)
        if name is None:
            continue
        if name not in numbers:
            meant = task.same_class(name, classes)
            if meant not in numbers:
                raise DataError(_not_a_class(path, name, classes))
            numbers[name] = numbers[meant]
        found[record] = numbers[name]
    return found


def _not_a_class(path: str, name: str, classes: Sequence[str]) -> str:
    known = ", ".join(classes[:20]) + (", …" if len(classes) > 20 else "")
    if not name:
        return (
            f"--labelled: {path} lies in no folder, so its true class is not known: move it into "
            f"one that is called like a class ({known}), or predict without --labelled"
        )
    meant = alike(name, classes) or nearest(name, classes)
    return (
        f"--labelled: {path} lies in the folder {name!r}, which is not a class of the run{meant}; "
        f"known: {known}. Rename the folder or move it away, or predict without --labelled"
    )
