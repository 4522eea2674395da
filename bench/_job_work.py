"""What every side of `bench job` does: the same photos, samples, model, batches and stopwatch.

- `Work` names the samples: a visit is a photo and K patches of it, in the order of PushFit's plan,
  so a side that can run our code makes exactly PushFit's samples.
- `model` is small on purpose: feeding it is the work, as it is on a GPU.
- `Watch` stamps the ends of batches, with the CPU time that this process and all that it started
  have used by then.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pushfit.plan.order import Plan, Segment, SplitOrder, patch_rng
from pushfit.tasks.base import TRAIN, DataSet, Record
from pushfit.tasks.camera.params import CameraParams
from pushfit.tasks.camera.task import CameraTask

BATCH, SEED, WINDOW = 32, 0, 32


class Work(msgspec.Struct, frozen=True, dict=True):
    """links: holds train/. samples: a multiple of BATCH. patches: K, of a visit."""

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

    def visit(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """PushFit's samples of a visit, by its own code: (K, P, P, 3) uint8, (K,) int32."""
        record = self.visited[number]
        photo = self.task.decode(self.task.read(Path(self.links), record), record)
        images = np.empty((self.patches, self.patch, self.patch, 3), np.uint8)
        index = self.numbers[record.path]
        for patch in range(self.patches):
            rng = patch_rng(SEED, TRAIN, 0, number, index, patch)
            images[patch] = self.task.sample(photo, record, TRAIN, patch, rng)["image"]
        return images, np.full(self.patches, record.label, np.int32)

    def visits_batch(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Batch number `batch` of whole visits, one after the other."""
        each = BATCH // self.patches
        made = [self.visit(number) for number in range(batch * each, (batch + 1) * each)]
        return np.concatenate([m[0] for m in made]), np.concatenate([m[1] for m in made])


def model(patch: int, classes: int) -> Any:
    """By the names that `train_zmq.py --weights FILE` wants to find."""
    import keras

    keras.utils.set_random_seed(SEED)
    image = keras.Input((patch, patch, 3), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 128, offset=-1.0)(image)
    for filters, stride in ((8, 4), (16, 2), (32, 2)):
        x = keras.layers.Conv2D(filters, 3, stride, "same", activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    out = keras.layers.Dense(classes, "softmax", name="class")(x)
    made = keras.Model(image, out, name="smallcnn")
    made.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


def cpu_of_tree() -> float:
    """CPU seconds of this process and all that descend from it, those that ended included."""
    return max(_cpu_of_tree() for _ in range(2))  # one may miss a process that ends meanwhile


def _cpu_of_tree() -> float:
    used, parents = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                used[int(entry.name)] = sum(map(int, fields[11:15]))  # its own, and its children's
                parents[int(entry.name)] = int(fields[1])
    total = 0
    for process in used:
        above: int | None = process
        while above is not None and above != os.getpid():
            above = parents.get(above)
        total += used[process] if above is not None else 0
    return total / os.sysconf("SC_CLK_TCK")


def watch(began: float) -> Any:
    """A callback that notes (seconds since `began`, CPU of all, CPU of this process) a batch."""
    import keras

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.times: list[float] = []
            self.cpu: dict[int, tuple[float, float]] = {}
            self.marks: set[int] = set()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.times.append(time.time() - began)
            if batch in self.marks:
                self.cpu[batch] = cpu_of_tree(), time.process_time()

        def on_train_end(self, logs: Any = None) -> None:
            # Workers of tf.data service drop what does not fill a batch, each: some may be missing.
            last = len(self.times) - 1
            if last not in self.cpu:
                self.cpu[last] = cpu_of_tree(), time.process_time()

    return Watch()
