"""Ray Data in `bench images`: `read_images` and a map, as documented; its best form."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench._images_work import BATCH, SIZE, Job, fast_sample, pillow_varied

AHEAD = 4  # batches that wait for the consumer
BLOCK = 4 * BATCH  # photos of a task


def documented(job: Job) -> Iterator[Any]:
    ray = _started()
    numbers = {name: number for number, name in enumerate(job.classes)}

    def varied(row: dict[str, Any]) -> dict[str, Any]:
        from PIL import Image

        label = numbers[Path(row["path"]).parent.name]
        return {"image": pillow_varied(Image.fromarray(row["image"])), "label": label}

    dataset = ray.data.read_images(
        str(job.train), mode="RGB", include_paths=True, shuffle="files"
    ).map(varied)
    while True:
        yield from _taken(dataset, 1)


def tuned(job: Job) -> Iterator[Any]:
    """Tasks of whole batches, which read, decode and vary photos in the shuffled order."""
    ray = _started()

    def made(rows: dict[str, Any]) -> dict[str, Any]:
        images = np.empty((len(rows["path"]), SIZE, SIZE, 3), np.uint8)
        for path, out in zip(rows["path"], images, strict=True):
            fast_sample(Path(path).read_bytes(), out)
        return {"image": images, "label": rows["label"]}

    rng = np.random.default_rng(0)
    while True:
        # Twenty times the photos at once, since an execution takes a second to start.
        chosen = rng.permutation(np.tile(np.arange(len(job.photos)), 20))
        rows = [{"path": job.photos[n][0], "label": job.photos[n][1]} for n in chosen]
        blocks = max(len(rows) // BLOCK, 1)
        dataset = ray.data.from_items(rows, override_num_blocks=blocks)
        yield from _taken(dataset.map_batches(made, batch_size=BATCH), AHEAD)


def _started() -> Any:
    import ray

    from bench._rivals import WORKERS

    ray.init(num_cpus=WORKERS, include_dashboard=False, logging_level=logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    return ray


def _taken(dataset: Any, ahead: int) -> Iterator[Any]:
    batches = dataset.iter_batches(
        batch_size=BATCH, prefetch_batches=ahead, batch_format="numpy", drop_last=True
    )
    for batch in batches:
        yield batch["image"], batch["label"]
