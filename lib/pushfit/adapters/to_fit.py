"""`to_fit` of a task, held to what it returned for a batch of zeros.

What it raises, or returns otherwise, in the middle of a run is told with the task's name: the back
end's input pipeline would wrap it in some fifty lines of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from pushfit.errors import TaskError
from pushfit.feed.feed import Batch
from pushfit.tasks import checks
from pushfit.tasks.base import ArraySpec, Task
from pushfit.tasks.trimming import Arrays, Shape, Trimming, open_axes


class ToFit:
    """Called with a batch, it gives (x, y) or (x, y, sample_weight), or (x,) where y is None.

    Raises TaskError, also where the model takes one length alone of an axis that is trimmed.

    model: an axis whose length it leaves open may have another length in each batch; then those of
        y and sample_weight are open as well. None: every axis but the first, and those that follow
        from what the task trims, has one length.
    failure: the first TaskError that it raised.
    trimming: how batches come cut.
    shapes: of its leaves, in the order of `keras.tree.flatten`; None: any length.
    """

    def __init__(
        self, task: Task, specs: Iterable[ArraySpec], model: keras.Model | None = None
    ) -> None:
        self._task, self._specs = task, tuple(specs)
        self.failure: TaskError | None = None
        self.trimming = Trimming(task, self._specs)
        blank = self.blank(0)
        self._leaves = [leaf.dtype for leaf in keras.tree.flatten(blank)]
        trimmed = _open(blank, self._blank(0, self.trimming))
        self.shapes = _shapes(task.name, blank, trimmed, model)

    def blank(self, rows: int) -> tuple[Any, ...]:
        """What the task makes of `rows` samples of zeros, of declared shape."""
        return self._blank(rows, lambda arrays: arrays)

    def _blank(self, rows: int, cut: Callable[[Arrays], Arrays]) -> tuple[Any, ...]:
        arrays = {
            spec.name: np.zeros((max(rows, 1), *spec.shape), spec.dtype) for spec in self._specs
        }
        made = checks.given(self._task.to_fit(cut(arrays)))
        if rows:
            return made
        return keras.tree.map_structure(lambda array: array[:0], made)  # type: ignore[no-any-return]

    def __call__(self, arrays: Arrays) -> tuple[Any, ...]:
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


def _open(whole: tuple[Any, ...], short: tuple[Any, ...]) -> list[Shape]:
    """The shapes of the leaves of `whole`; None: an axis that is trimmed, as it is in `short`."""
    both = zip(keras.tree.flatten(whole), keras.tree.flatten(short), strict=True)
    return [(None, *open_axes(leaf, other)[1:]) for leaf, other in both]


def _shapes(
    task: str, blank: tuple[Any, ...], trimmed: Sequence[Shape], model: keras.Model | None
) -> list[Shape]:
    """The shapes of leaves. task: its name. trimmed: what is open without regard to the model."""
    inputs = {tensor.name: tuple(tensor.shape) for tensor in getattr(model, "inputs", None) or ()}
    shapes: list[Shape] = []
    opened = False  # the model leaves open what the task does not trim
    for (where, _), shape in zip(checks.leaves_of(blank[:1]), trimmed, strict=False):
        taken = _matching(where, shape, inputs)
        for axis, (side, wanted) in enumerate(zip(shape, taken, strict=True)):
            if axis and side is None and wanted is not None:
                raise TaskError(
                    f"task {task}: the model's Input for {where} has {wanted} in axis {axis}, and "
                    "the task trims that to the longest sample of each batch: put None there"
                )
            opened = opened or (side is not None and wanted is None)
        shapes.append(
            tuple(
                None if None in (side, wanted) else side
                for side, wanted in zip(shape, taken, strict=True)
            )
        )
    others = trimmed[len(shapes) :]
    return [*shapes, *((None,) * len(shape) if opened else shape for shape in others)]


def _matching(where: str, leaf: Shape, inputs: Mapping[str, Shape]) -> Shape:
    """The shape of the model's input that takes this leaf, as far as one can tell."""
    only = next(iter(inputs.values())) if len(inputs) == 1 else None
    named = next((shape for name, shape in inputs.items() if where == f"x[{name!r}]"), only)
    return named if named is not None and len(named) == len(leaf) else leaf
