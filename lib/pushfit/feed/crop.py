"""Samples that are stored larger than they are trained on: cut on their way into `fit`.

    Window ─▶ batch of stored samples ─▶ Crop ─▶ batch for `fit`: audit, hash

In training each sample is cut at a place of its own, anew each epoch, that follows from the plan
(`ReplayPlan.cuts`); so it does not depend on batches, and a run that is resumed cuts alike.
Otherwise it is cut in the middle.
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
    """stored, task: the task as its samples are stored, and as they are trained on.

    specs: what comes in. Raises ConfigError where the second is not a part of the first.
    """

    def __init__(self, plan: ReplayPlan, stored: Task, task: Task, side: int) -> None:
        self.specs, self._plan, self._step = stored.arrays(), plan, task.crop_step
        self._wanted = {spec.name: spec for spec in task.arrays()}
        for spec in self.specs:
            if any(a > b for a, b in zip(self._wanted[spec.name].shape, spec.shape, strict=True)):
                shape = " x ".join(map(str, spec.shape[:2]))
                raise ConfigError(
                    f"--crop {side} is larger than the samples, whose {spec.name} is stored as "
                    f"{shape} pixels: give less, or leave --crop out"
                )

    def __call__(
        self, segment: Segment, places: np.ndarray, arrays: Arrays, buffers: Buffers
    ) -> Arrays:
        """arrays: of the samples at `places` (visit · K + patch) of `segment`."""
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
        """(n, 2) int64: the upper left corner of each sample's part, on multiples of the step."""
        step, rooms = self._step, np.array((down, across))
        if segment.split == TRAIN:
            drawn = self._plan.cuts(segment, places) * (rooms // step + 1)
        else:
            drawn = np.tile(rooms // 2 // step, (len(places), 1))
        starts: np.ndarray = np.minimum(drawn.astype(np.int64), rooms // step) * step
        return starts
