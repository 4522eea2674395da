"""Checks that each sample, or block of samples, is what the task declares; if not, a TaskError."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pushfit.errors import TaskError
from pushfit.tasks.base import ArraySpec, Task
from pushfit.tasks.checks import LABEL, kind, taught_classes
from pushfit.tasks.trimming import Trimming


class Samples:
    """Checks the samples of a task.

    classes: the number of classes; 0: labels may be unknown, and are not checked.
    """

    def __init__(self, task: Task, specs: tuple[ArraySpec, ...], classes: int) -> None:
        self._task, self._classes = task, classes
        self._specs = [(spec, np.dtype(spec.dtype)) for spec in specs]
        self._label = LABEL if classes and taught_classes(task) else ""
        self._lengths = Trimming(task, specs).longest()

    def check(self, made: Any, how: str, where: str, rows: tuple[int, ...] = ()) -> list[Any]:
        """The values of `made`, in the order of the specs. Raises TaskError.

        how: the method that made it.
        where: the record.
        rows: what precedes each spec's shape; (): it is one sample.
        """
        if not isinstance(made, Mapping):
            raise self._wrong(how, where, f"returned {kind(made)}, not a dict of arrays")
        values = []
        for spec, dtype in self._specs:
            if spec.name not in made:
                raise self._wrong(how, where, f"returned no {spec.name!r}")
            value = made[spec.name]
            shape = rows + spec.shape
            if isinstance(value, np.ndarray):
                fits = value.dtype == dtype and value.shape == shape
            else:
                fits = not shape and _is_number(value, dtype)
            if not fits:
                wanted = f"{spec.dtype}{list(shape)}" if shape else spec.dtype
                raise self._wrong(
                    how, where, f"returned {spec.name!r} as {kind(value)}, not {wanted}"
                )
            if spec.name == self._label and not spec.shape and dtype.kind in "iu":
                self._check_label(value, how, where)
            if spec.name in self._lengths:
                self._check_length(spec.name, value, how, where)
            values.append(value)
        if len(made) != len(self._specs):
            names = {spec.name for spec, _ in self._specs}
            extra = next(name for name in made if name not in names)
            raise self._wrong(how, where, f"returned {extra!r}, which arrays() does not name")
        return values

    def _check_label(self, value: Any, how: str, where: str) -> None:
        low, high = _range(value)
        if low < 0 or high >= self._classes:
            wrong = low if low < 0 else high
            raise self._wrong(
                how,
                where,
                f"returned the {self._label!r} {wrong}: classes are 0 to {self._classes - 1}",
            )

    def _check_length(self, name: str, value: Any, how: str, where: str) -> None:
        low, high = _range(value)
        array, side = self._lengths[name]
        if low < 0 or high > side:
            raise self._wrong(
                how,
                where,
                f"returned the {name!r} {low if low < 0 else high}: a length of {array!r} is 0 to "
                f"{side}, so cut the sample, or declare a larger array",
            )

    def _wrong(self, how: str, where: str, what: str) -> TaskError:
        return TaskError(f"task {self._task.name}: {how}() of {where} {what}")


def _range(value: Any) -> tuple[int, int]:
    """(least, most) of a number, or of an array of numbers."""
    if getattr(value, "ndim", 0):
        return int(value.min()), int(value.max())
    return int(value), int(value)


def _is_number(value: Any, dtype: np.dtype) -> bool:
    """Return whether `value`, which is not an array, can be stored as `dtype` unchanged."""
    if isinstance(value, np.generic):
        return value.dtype == dtype
    if isinstance(value, int) and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return int(limits.min) <= value <= int(limits.max)
    return isinstance(value, bool if dtype.kind == "b" else int | float) and dtype.kind in "bf"
