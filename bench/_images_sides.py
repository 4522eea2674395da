"""One side of `bench images`, in a process of its own: prints a line of JSON.

    python -m bench._images_sides SIDE JOB-AS-JSON SECONDS WARM

Its consumer takes arrays and does nothing with them. The clock starts when queues are as full as
they will be at the end. What comes before is looked at: form, brightness, contrast, sharpness, and
how many there are of each class.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

import msgspec
import numpy as np

from bench import (
    _flow,
    _images_dali,
    _images_grain,
    _images_ours,
    _images_ray,
    _images_shards,
    _images_spdl,
    _images_tf,
    _images_torch,
)
from bench._apart import tell
from bench._images_work import SIZE, Job
from bench._job_fit import cpu_of_tree
from bench._rivals import WORKERS
from bench._share import libraries
from pushfit.errors import PushFitError

LOOKED_AT = 640  # samples
Batches = Iterable[Any]  # (images, labels), arrays or tensors

OURS = "ours"
SIDES: dict[str, Callable[[Job], Batches]] = {
    OURS: _images_ours.ours,
    "torchvision_documented": _images_torch.torchvision_documented,
    "torchvision_tuned": _images_torch.torchvision_tuned,
    "torch_tuned": _images_torch.torch_cv2,
    "timm_documented": _images_torch.timm,
    "tfdata_documented": _images_tf.documented,
    "tfdata_tuned": _images_tf.tuned,
    "grain_documented": _images_grain.documented,
    "grain_tuned": _images_grain.tuned,
    "spdl_documented": _images_spdl.documented,
    "spdl_tuned": _images_spdl.tuned,
    "dali_documented": _images_dali.documented,
    "dali_tuned": _images_dali.tuned,
    "webdataset_documented": _images_shards.webdataset_documented,
    "webdataset_tuned": _images_shards.webdataset_tuned,
    "mds_documented": _images_shards.mds_documented,
    "mds_tuned": _images_shards.mds_tuned,
    "litdata_documented": _images_shards.litdata_documented,
    "litdata_tuned": _images_shards.litdata_tuned,
    "ray_documented": _images_ray.documented,
    "ray_tuned": _images_ray.tuned,
}
# One process of one core: of the rest, the samples are made by the same functions as in these.
ALONE = (
    OURS,
    *(side for side in SIDES if side.startswith(("torch", "timm", "tfdata", "spdl", "dali"))),
)


class Seen:
    """What the samples look like."""

    def __init__(self) -> None:
        self.samples = 0
        self.classes: Counter[int] = Counter()
        self._sums = np.zeros(3)

    def look(self, images: np.ndarray, labels: np.ndarray) -> None:
        """images: (n, SIZE, SIZE, 3) or (n, 3, SIZE, SIZE) uint8. labels: (n,) integers.

        Raises PushFitError where they are anything else.
        """
        forms = ((SIZE, SIZE, 3), (3, SIZE, SIZE))
        if images.shape[1:] not in forms or images.dtype != np.uint8:
            raise PushFitError(f"its samples are {images.shape[1:]} {images.dtype}")
        if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
            raise PushFitError(f"its labels are {labels.shape} {labels.dtype}")
        across = 2 if images.shape[-1] == 3 else 3
        values = images.astype(np.float32)
        steps = np.abs(np.diff(values, axis=across))
        self._sums += [each * len(images) for each in (
            values.mean(), np.square(values).mean(), steps.mean()
        )]  # fmt: skip
        self.samples += len(images)
        self.classes.update(labels.tolist())

    def figures(self) -> dict[str, Any]:
        """mean and deviation of the pixels; sharpness: the mean step between neighbours."""
        mean, square, step = self._sums / max(self.samples, 1)
        return {
            "mean": mean,
            "deviation": float(np.sqrt(square - mean**2)),
            "sharpness": step,
            "classes": {str(label): count for label, count in self.classes.items()},
        }


def batches(side: str, job: Job) -> Generator[Any]:
    """Batches of a side, epoch after epoch."""
    alone = side == OURS and not job.workers
    data = _images_ours.Alone(job).batches() if alone else SIDES[side](job)
    while True:
        yield from data


def _sizes(source: Iterable[Any], seen: Seen) -> Generator[int]:
    for images, labels in source:
        if seen.samples < LOOKED_AT:
            seen.look(np.asarray(images), np.asarray(labels))
        yield len(images)


def measure(side: str, about: str, seconds: float, warm: float) -> dict[str, Any]:
    """Images a second that reach the consumer, and CPU milliseconds of all processes an image.

    Without workers: images a CPU second on one core, and the libraries' share of ours.
    """
    job = msgspec.json.decode(about, type=Job)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:WORKERS] if job.workers else cores[-1:])
    seen = Seen()
    made = batches(side, job)
    source = _sizes(made, seen)
    _flow.warmed(source)
    _flow.warmed(source, warm, LOOKED_AT)
    before = cpu_of_tree()
    flow = _flow.measured(source, seconds)
    cpu_ms = _flow.per(1000 * (cpu_of_tree() - before), flow.got, "images")
    if job.workers:
        figures = {"images_per_s": flow.got / flow.seconds, "cpu_ms": cpu_ms}
    else:
        figures = {"images_per_cpu_s": _flow.per(1000, cpu_ms, "CPU seconds")}
        if side == OURS:
            figures["library_share"] = library_share(made, flow.pieces)
    return {**figures, "seen": seen.figures()}


def library_share(made: Iterator[Any], count: int) -> float:
    """The part of the CPU time of `count` batches that passes inside libraries."""
    with libraries() as inside:
        start = time.process_time()
        for _ in range(count):
            next(made)
        return _flow.per(inside.seconds, time.process_time() - start, "CPU seconds")


if __name__ == "__main__":
    tell(measure)
    os._exit(0)  # whatever threads a loader has left
