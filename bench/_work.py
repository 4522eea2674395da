"""The samples that the sides of a bench make, of photos in the order of PushFit's plan.

A visit is a photo and K patches of it. Its samples are PushFit's own, so every side that can run
PushFit's code makes the very same ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np

from pushfit.plan.order import Plan, Segment, SplitOrder, patch_rng
from pushfit.tasks.base import TRAIN, DataSet, Record
from pushfit.tasks.camera.params import CameraParams
from pushfit.tasks.camera.task import CameraTask

BATCH, SEED, WINDOW = 32, 0, 32


class Work(msgspec.Struct, frozen=True, dict=True):
    """links: folder that holds train/. samples: how many, a multiple of `patches`.

    patch: pixels a side. patches: K, of a visit.
    """

    links: str
    samples: int
    patch: int
    patches: int

    @cached_property
    def task(self) -> CameraTask:
        return CameraTask(CameraParams(patch=self.patch))

    @cached_property
    def data(self) -> DataSet:
        return self.task.scan(Path(self.links))

    @property
    def visits(self) -> int:
        return self.samples // self.patches

    @property
    def visits_a_batch(self) -> int:
        return max(BATCH // self.patches, 1)

    def plan(self, patches: int) -> tuple[Segment, list[Record]]:
        """The training segment with so many patches a visit, and the record of each visit."""
        order = SplitOrder(
            tuple(self.data.counts()[TRAIN]), patches, visits_per_epoch=self.samples // patches
        )
        plan = Plan(SEED, 1, {TRAIN: order}, 1, WINDOW)
        (segment,) = plan.segments
        return segment, [self.data.splits[TRAIN][n] for n in plan.records(segment)]

    @cached_property
    def numbers(self) -> dict[str, int]:
        return {record.path: n for n, record in enumerate(self.data.splits[TRAIN])}

    @cached_property
    def visited(self) -> list[Record]:
        return self.plan(self.patches)[1]

    @cached_property
    def photos(self) -> list[tuple[str, int]]:
        """(path, label) of each sample where a photo gives one."""
        return [(f"{self.links}/{record.path}", record.label) for record in self.plan(1)[1]]

    def made(self, visits: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """PushFit's samples of some visits, by its own code.

        Returns (n · K, P, P, 3) uint8 and (n · K,) int32, visit after visit.
        """
        images = np.empty((len(visits) * self.patches, self.patch, self.patch, 3), np.uint8)
        labels = np.empty(len(images), np.int32)
        for place, number in enumerate(visits):
            rows = slice(place * self.patches, (place + 1) * self.patches)
            labels[rows] = self.visited[number].label
            self._draw(number, images[rows])
        return images, labels

    def _draw(self, number: int, images: np.ndarray) -> None:
        """Fill `images` (K, P, P, 3) with the patches of a visit."""
        record, links = self.visited[number], Path(self.links)
        index = self.numbers[record.path]

        def rngs() -> Iterator[np.random.Generator]:
            for patch in range(self.patches):
                yield patch_rng(SEED, TRAIN, 0, number, index, patch)

        photo = self.task.decode_for(self.task.read(links, record), record, TRAIN, rngs())
        for patch, rng in enumerate(rngs()):
            images[patch] = self.task.sample(photo, record, TRAIN, patch, rng)["image"]

    def batch(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Batch number `number` of whole visits, one after the other."""
        first = number * self.visits_a_batch
        return self.made(range(first, first + self.visits_a_batch))
