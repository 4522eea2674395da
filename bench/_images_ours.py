"""Our side of `bench images`: the stream as a model would take it, and one generator's own work."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench._images_work import BATCH, EPOCH, SIZE, Job
from bench._lease import made
from bench._rivals import WORKERS
from pushfit import tasks
from pushfit.commands.generate import KEPT_BYTES
from pushfit.generator.maker import Maker
from pushfit.host import keep_freed_memory
from pushfit.tasks.base import TRAIN, Task

TASK = "images"
PARAMS = {"size": SIZE, "held_out": 0.0}  # the rest of the job is what the task does by itself
EPOCHS = 1000


def task(name: str) -> Task:
    """The task `name`, doing the job."""
    kind = tasks.load(name)
    return kind(msgspec.convert(PARAMS, kind.Params))


def ours(job: Job) -> Iterator[Any]:
    """Leases, exact order and mixing are on; nothing is hashed, as no rival does that."""
    from pushfit.settings.programs.sink import SinkSettings
    from pushfit.streams.live import LiveStream
    from pushfit.streams.purpose import for_sink, task_of

    settings = SinkSettings(
        task=job.task, null=True, links=job.links, epochs=EPOCHS, patches_per_epoch=EPOCH,
        generators=WORKERS, patches_per_visit=1, batch_size=BATCH, hash=False,
        bind="tcp://127.0.0.1:0",
    )  # fmt: skip
    made_task = task_of(settings, task(job.task).params)
    purpose = for_sink(settings, made_task, needs_data=True)
    with LiveStream(settings, made_task, purpose) as stream:
        for batch in stream.feed.all():
            yield batch.arrays["image"], batch.arrays["label"]


class Alone:
    """A generator's own `Maker`, which makes lease after lease of BATCH photos in random order."""

    def __init__(self, job: Job) -> None:
        self.job = job
        keep_freed_memory(KEPT_BYTES)  # as `pushfit generate` does

    @cached_property
    def maker(self) -> Maker:
        chosen = task(self.job.task)
        data = chosen.scan(Path(self.job.links))
        return Maker(chosen, data, Path(self.job.links), 0, {TRAIN: 1})

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        rng = np.random.Generator(np.random.Philox(0))
        records = len(self.job.photos)
        epoch = 0
        while True:
            order = rng.permutation(records)
            for first in range(0, records - BATCH + 1, BATCH):
                numbers = order[first : first + BATCH].tolist()
                images, labels, *_ = made(self.maker, numbers, epoch=epoch, first=first)
                yield images, labels
            epoch += 1
