"""SPDL in `bench images`: FFmpeg in its pipeline of threads, and its best form."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from bench._images_work import BATCH, FLIP, SIZE, Job, drawn_part, fast_sample

AHEAD = 4  # batches that wait for the consumer
Photos = list[tuple[str, int]]
Batch = tuple[np.ndarray, np.ndarray]


def documented(job: Job) -> Iterator[Batch]:
    """`spdl.io` decodes, cuts, resizes and converts in one FFmpeg filter graph a photo."""
    return _batches(job, _by_ffmpeg)


def tuned(job: Job) -> Iterator[Batch]:
    """The same pipeline whose threads call simplejpeg and OpenCV, which need no lock."""
    return _batches(job, _by_libraries)


def _by_ffmpeg(photos: Photos) -> Batch:
    import spdl.io

    frames = []
    for path, _ in photos:
        packets = spdl.io.demux_image(path)
        x, y, w, h = drawn_part(packets.width, packets.height)
        mirrored = "hflip," if random.random() < FLIP else ""
        graph = (
            f"crop={w}:{h}:{x}:{y}:exact=1,scale={SIZE}:{SIZE}:flags=bilinear,"
            f"{mirrored}format=pix_fmts=rgb24"
        )
        frames.append(spdl.io.decode_packets(packets, filter_desc=graph))
    images = spdl.io.to_numpy(spdl.io.convert_frames(frames))
    return images, _labels(photos)


def _by_libraries(photos: Photos) -> Batch:
    images = np.empty((len(photos), SIZE, SIZE, 3), np.uint8)
    for (path, _), out in zip(photos, images, strict=True):
        fast_sample(Path(path).read_bytes(), out)
    return images, _labels(photos)


def _labels(photos: Photos) -> np.ndarray:
    return np.array([label for _, label in photos], np.int32)


def _batches(job: Job, made: Callable[[Photos], Batch]) -> Iterator[Batch]:
    from spdl.pipeline import PipelineBuilder

    def shuffled() -> Iterator[tuple[str, int]]:
        while True:
            yield from random.sample(job.photos, len(job.photos))

    threads = max(job.workers, 1)
    builder: Any = PipelineBuilder()
    pipeline = (
        builder.add_source(shuffled())
        .aggregate(BATCH, drop_last=True)
        .pipe(made, concurrency=threads)
        .add_sink(AHEAD)
        .build(num_threads=threads)
    )
    with suppress(GeneratorExit), pipeline.auto_stop():
        yield from pipeline
