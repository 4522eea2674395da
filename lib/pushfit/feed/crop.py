"""Cuts stored samples to the size that they are trained on, on their way into `fit`.

    Window ─▶ batch of stored samples ─▶ Crop ─▶ batch for `fit`: audit, hash

In training each sample is cut at its own position, which is another one in each epoch. The plan
gives it (`ReplayPlan.cuts`), so it does not depend on batches, and a resumed run cuts the same
positions. In validation each sample is cut in the middle.
"""

from __future__ import annotations

import numpy as np

from pushfit.errors import ConfigError
from pushfit.feed.buffers import Buffers
from pushfit.feed.window import Arrays
from pushfit.plan.order import Segment
from pushfit.plan.replay import ReplayPlan
from pushfit.tasks.base import TRAIN, ArraySpec, Task


class Crop:
    """Cuts the arrays of a batch.

    stored: the task with its samples as they are stored.
    task: the task with its samples as they are trained on.
    side: what `--crop` says, for the message.
    `specs` are the arrays of a stored sample.
    Raises ConfigError if a sample of `task` is larger than a stored one, or has a length that would
    not be true of a part of it.
    """

    def __init__(self, plan: ReplayPlan, stored: Task, task: Task, side: int) -> None:
        self.specs, self._plan, self._step = stored.arrays(), plan, task.crop_step
        self._wanted = {spec.name: spec for spec in task.arrays()}
        for spec in self.specs:
            if spec.name in task.trimmed and self._wanted[spec.name] != spec:
                raise ConfigError(
                    f"--crop {side} would cut {spec.name}, whose samples have several lengths, "
                    "anywhere, and their lengths would be wrong: leave --crop out"
                )
            if any(a > b for a, b in zip(self._wanted[spec.name].shape, spec.shape, strict=True)):
                shape = " x ".join(map(str, spec.shape[:2]))
                raise ConfigError(
                    f"--crop {side} is larger than the samples, whose {spec.name} is stored as "
                    f"{shape} pixels: give less, or leave --crop out"
                )

    def __call__(
        self, segment: Segment, places: np.ndarray, arrays: Arrays, buffers: Buffers
    ) -> Arrays:
        """The arrays of a batch, cut.

        places: (B,) int64, the place of each sample in `segment`, which is visit · K + patch.
        arrays: {name: (B, *shape of a stored sample)}.
        Returns {name: (B, *shape of the task)}.
        """
        return {
            spec.name: self._cut(segment, places, arrays[spec.name], spec, buffers)
            for spec in self.specs
        }

    def _cut(
        self,
        segment: Segment,
        places: np.ndarray,
        array: np.ndarray,
        spec: ArraySpec,
        buffers: Buffers,
    ) -> np.ndarray:
        shape = self._wanted[spec.name].shape
        if shape == spec.shape:
            return array
        height, width = shape[:2]
        starts = self._starts(segment, places, spec.shape[0] - height, spec.shape[1] - width)
        cut = buffers.empty((len(array), *shape), spec.dtype)
        for into, sample, (top, left) in zip(cut, array, starts.tolist(), strict=True):
            into[:] = sample[top : top + height, left : left + width]
        return cut

    def _starts(self, segment: Segment, places: np.ndarray, down: int, across: int) -> np.ndarray:
        """(n, 2) int64: the upper left corner of each sample's part, as multiples of the step."""
        step, rooms = self._step, np.array((down, across))
        if segment.split == TRAIN:
            drawn = self._plan.cuts(segment, places) * (rooms // step + 1)
        else:
            drawn = np.tile(rooms // 2 // step, (len(places), 1))
        starts: np.ndarray = np.minimum(drawn.astype(np.int64), rooms // step) * step
        return starts
