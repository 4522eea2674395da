"""DALI in `bench images`, on a CPU alone: its operators for training on ImageNet."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from bench._images_work import BATCH, FLIP, RATIO, SCALE, SIZE, Job

DOCUMENTED, TUNED = 2, 8  # batches that it makes ahead
BUFFER = 1024  # photos among which its reader shuffles: as many as its examples have


def documented(job: Job) -> Iterator[Any]:
    """`readers.file`, `decoders.image_random_crop`, `resize` (triangular), `flip`."""
    return _batches(job, {"prefetch_queue_depth": DOCUMENTED}, {})


def tuned(job: Job) -> Iterator[Any]:
    """The same further ahead; files are copied into memory ahead, and every epoch is shuffled."""
    reader = {"read_ahead": True, "shuffle_after_epoch": True, "random_shuffle": False}
    return _batches(job, {"prefetch_queue_depth": TUNED}, reader)


def _batches(job: Job, ahead: dict[str, Any], reader: dict[str, Any]) -> Iterator[Any]:
    pipeline_def = import_module("nvidia.dali").pipeline_def
    threads = max(job.workers, 1)
    options: dict[str, Any] = {"batch_size": BATCH, "num_threads": threads, "device_id": None}
    pipeline: Any = pipeline_def(partial(_graph, job, reader))(**options, **ahead)
    pipeline.build()
    while True:
        images, labels = pipeline.run()
        yield images.as_array(), np.asarray(labels.as_array()).reshape(-1)


def _graph(job: Job, reader: dict[str, Any]) -> Any:
    fn, types = import_module("nvidia.dali.fn"), import_module("nvidia.dali.types")
    shuffled = {"random_shuffle": True, "initial_fill": BUFFER, **reader}
    data, labels = fn.readers.file(file_root=str(job.train), name="photos", **shuffled)
    parts = fn.decoders.image_random_crop(
        data, device="cpu", output_type=types.RGB,
        random_area=list(SCALE), random_aspect_ratio=list(RATIO), num_attempts=10,
    )  # fmt: skip
    made = fn.resize(parts, size=[SIZE, SIZE], interp_type=types.INTERP_TRIANGULAR)
    return fn.flip(made, horizontal=fn.random.coin_flip(probability=FLIP)), labels
