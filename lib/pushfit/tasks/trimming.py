"""Arrays of several lengths: each batch of them is cut to its longest sample (`Task.trimmed`).

    batch of declared shape ─▶ audit, hash ─▶ Trimming ─▶ every reader of the stream

A sample has the declared shape on its way to the batch. The cut comes after the audit, so the hash,
the wire, stored streams and positions are those of a task that trims nothing. The cut arrays are
views: nothing is copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pushfit.errors import TaskError, nearest
from pushfit.tasks.base import ArraySpec, Task

Arrays = Mapping[str, np.ndarray]
Shape = tuple[int | None, ...]


class Trimming:
    """The rule by which the batches of a task are cut.

    task: its `trimmed` and `trim_multiple` are the rule.
    specs: the arrays of a sample, of declared shape.
    Raises TaskError if the rule does not fit the arrays.
    """

    def __init__(self, task: Task, specs: Iterable[ArraySpec]) -> None:
        known = {spec.name: spec for spec in specs}
        if wrong := _complaint(task.trimmed, task.trim_multiple, known):
            raise TaskError(f"task {task.name}: {wrong}")
        self._lengths, self._multiple = dict(task.trimmed), task.trim_multiple
        self._sides = {name: known[name].shape[0] for name in self._lengths}

    def __call__(self, arrays: Arrays) -> dict[str, np.ndarray]:
        """The arrays of a batch, {name: (B, *shape)}, each trimmed one cut along its second axis.

        A length that is not allowed, as a damaged file may hold one, cuts as the nearest allowed.
        """
        wanted = {length: self._wanted(arrays[length]) for length in set(self._lengths.values())}
        cut = {
            name: arrays[name][:, : min(wanted[length], self._sides[name])]
            for name, length in self._lengths.items()
        }
        return {**arrays, **cut}  # in the order of `arrays`

    def _wanted(self, lengths: np.ndarray) -> int:
        """The longest of `lengths`, but at least 1, rounded up to a multiple."""
        longest = max(1, int(lengths.max(initial=0)))
        return -(-longest // self._multiple) * self._multiple

    def varies(self, name: str) -> bool:
        """Return whether two batches may have arrays of this name of different lengths."""
        return self._multiple < self._sides.get(name, 0)

    def shape(self, spec: ArraySpec) -> Shape:
        """The shape of a sample's array within a batch; None: an axis of any length."""
        return (None, *spec.shape[1:]) if self.varies(spec.name) else spec.shape

    def longest(self) -> dict[str, tuple[str, int]]:
        """{array of lengths: (the shortest array that it is the length of, that one's side)}."""
        found: dict[str, tuple[str, int]] = {}
        for name, length in self._lengths.items():
            side = self._sides[name]
            if length not in found or side < found[length][1]:
                found[length] = name, side
        return found


def open_axes(whole: np.ndarray, short: np.ndarray) -> Shape:
    """The shape of `whole`, with None where `short`, made of a trimmed batch, has another side."""
    return tuple(
        side if side == other else None
        for side, other in zip(whole.shape, short.shape, strict=True)
    )


def _complaint(trimmed: Any, multiple: Any, known: Mapping[str, ArraySpec]) -> str:
    """What is wrong with `trimmed` or `trim_multiple` of a task; ``""``: nothing."""
    if not isinstance(trimmed, Mapping):
        return f"trimmed is {trimmed!r}, not {{array: the array that holds its length}}"
    if type(multiple) is not int or multiple < 1:
        return f"trim_multiple is {multiple!r}: it must be a whole number of at least 1"
    for name, length in trimmed.items():
        for each in (name, length):
            if not isinstance(each, str) or each not in known:
                return (
                    f"trimmed names {each!r}{nearest(str(each), known)}, and arrays() has "
                    f"{', '.join(known)}"
                )
        if not known[name].shape:
            return f"trimmed names {name!r}, which is a single number and has no axis to cut"
        spec = known[length]
        if spec.shape or np.dtype(spec.dtype).kind not in "iu":
            return (
                f"trimmed names {length!r} as the length of {name!r}, and that is "
                f"{spec.dtype}{list(spec.shape)}: declare ArraySpec({length!r}, 'int32', ())"
            )
    return ""
