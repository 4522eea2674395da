"""`to_fit` of a task, held to what it returned for a batch of zeros.

What it raises, or returns otherwise, in the middle of a run is told with the task's name: the back
end's input pipeline would wrap it in some fifty lines of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from pushfit.errors import TaskError
from pushfit.feed.feed import Batch
from pushfit.tasks import checks
from pushfit.tasks.base import ArraySpec, Task

Shape = tuple[int | None, ...]


class ToFit:
    """Called with a batch, it gives (x, y) or (x, y, sample_weight), or (x,) where y is None.

    Raises TaskError.

    model: an axis whose length it leaves open may have another length in each batch; then those of
        y and sample_weight are open as well. None: every axis but the first has one length.
    failure: the first TaskError that it raised.
    shapes: of its leaves, in the order of `keras.tree.flatten`; None: any length.
    """

    def __init__(
        self, task: Task, specs: Iterable[ArraySpec], model: keras.Model | None = None
    ) -> None:
        self._task, self._specs = task, tuple(specs)
        self.failure: TaskError | None = None
        blank = self.blank(0)
        self._leaves = [leaf.dtype for leaf in keras.tree.flatten(blank)]
        self.shapes = _shapes(blank, model)

    def blank(self, rows: int) -> tuple[Any, ...]:
        """What the task makes of `rows` samples of zeros."""
        arrays = {
            spec.name: np.zeros((max(rows, 1), *spec.shape), spec.dtype) for spec in self._specs
        }
        made = checks.given(self._task.to_fit(arrays))
        if rows:
            return made
        return keras.tree.map_structure(lambda array: array[:0], made)  # type: ignore[no-any-return]

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> tuple[Any, ...]:
        try:
            made = checks.given(checks.called(self._task, "to_fit", arrays))
            if self._task.source:
                self._check(made)
        except TaskError as error:
            self.failure = self.failure or error
            raise
        return made

    def of(self, batch: Batch) -> tuple[Any, ...]:
        """What `fit` gets of a batch of the feed."""
        return self(batch.arrays)

    def _check(self, made: Any) -> None:
        leaves = list(checks.leaves_of(made))
        if len(leaves) != len(self._leaves):
            raise self._wrong(f"{len(leaves)} arrays", f"{len(self._leaves)}")
        for (where, value), dtype, shape in zip(leaves, self._leaves, self.shapes, strict=True):
            if getattr(value, "dtype", None) != dtype:
                raise self._wrong(f"{where} as {checks.kind(value)}", f"{dtype}")
            fits = len(value.shape) == len(shape) and all(
                wanted in (None, side) for wanted, side in zip(shape, value.shape, strict=True)
            )
            if not fits and keras.backend.backend() == "tensorflow":  # others take what comes
                open_ = ["any" if side is None else str(side) for side in shape]
                raise self._wrong(
                    f"{where} as {checks.kind(value)}",
                    f"{dtype}[{', '.join(open_)}]. A model takes batches of several lengths where "
                    "its Input has None for that axis",
                )

    def _wrong(self, what: str, before: str) -> TaskError:
        return TaskError(
            f"task {self._task.name}: to_fit() returned {what} for a batch of samples, and for one "
            f"of zeros it was {before}"
        )


def _shapes(blank: tuple[Any, ...], model: keras.Model | None) -> list[Shape]:
    x, *others = blank
    inputs = {tensor.name: tuple(tensor.shape) for tensor in getattr(model, "inputs", None) or ()}
    shapes: list[Shape] = []
    opened = False
    for where, leaf in checks.leaves_of((x,)):
        wanted = _matching(where, leaf, inputs)
        shape = [side if wanted[i] is not None else None for i, side in enumerate(leaf.shape)]
        opened = opened or None in shape[1:]
        shapes.append((None, *shape[1:]))
    shapes += [
        (None, *([None] * (leaf.ndim - 1) if opened else leaf.shape[1:]))
        for leaf in keras.tree.flatten(others)
    ]
    return shapes


def _matching(where: str, leaf: np.ndarray, inputs: Mapping[str, Shape]) -> Shape:
    """The shape of the model's input that takes this leaf, as far as one can tell."""
    only = next(iter(inputs.values())) if len(inputs) == 1 else None
    named = next((shape for name, shape in inputs.items() if where == f"x[{name!r}]"), only)
    return named if named is not None and len(named) == leaf.ndim else leaf.shape
