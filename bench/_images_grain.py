"""Grain in `bench images`: Pillow in worker processes, and its best form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench._images_work import BATCH, Job, fast_sample, pillow_sample


class _Photos:
    """A random-access source, as Grain asks for: (path, label)."""

    def __init__(self, photos: list[tuple[str, int]]) -> None:
        self.photos = photos

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[str, int]:
        return self.photos[index]


class _Made:
    """A map from (path, label) to (image, label); worker processes get it by pickle."""

    def __init__(self, sample: Callable[[bytes], np.ndarray]) -> None:
        self.sample = sample

    def __call__(self, photo: tuple[str, int]) -> tuple[np.ndarray, np.int32]:
        path, label = photo
        return self.sample(Path(path).read_bytes()), np.int32(label)


def documented(job: Job) -> Any:
    """`MapDataset`: shuffle, map, batch, and two worker processes (`mp_prefetch`)."""
    import grain
    from absl import flags

    flags.FLAGS.mark_as_parsed()  # a program that is run by `absl.app` has done so
    made = _mapped(job, pillow_sample).batch(BATCH, drop_remainder=True).to_iter_dataset()
    options = grain.MultiprocessingOptions(num_workers=job.workers)
    return made.mp_prefetch(options) if job.workers else made


def tuned(job: Job) -> Any:
    """Threads in the consumer's process, which copy nothing: simplejpeg and OpenCV need no lock."""
    import grain

    options = grain.ReadOptions(num_threads=max(job.workers, 1), prefetch_buffer_size=4 * BATCH)
    return _mapped(job, fast_sample).to_iter_dataset(options).batch(BATCH, drop_remainder=True)


def _mapped(job: Job, sample: Callable[[bytes], np.ndarray]) -> Any:
    import grain

    return (
        grain.MapDataset.source(_Photos(job.photos)).seed(0).shuffle().repeat().map(_Made(sample))
    )
