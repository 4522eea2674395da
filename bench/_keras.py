"""The two data sets that Keras' PyDataset workers are given: as documented, and with ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from bench._patches import pillow_patch

if TYPE_CHECKING:
    from bench._loaders import Photos


class OnePatch(keras.utils.PyDataset):
    """A batch is one patch each of `batch` photos. epoch: photos in it."""

    def __init__(self, photos: Photos, epoch: int, batch: int, workers: int) -> None:
        super().__init__(workers=workers, use_multiprocessing=True)
        self.paths, self.px, self.batch, self.epoch = photos.paths(), photos.px, batch, epoch

    def __len__(self) -> int:
        return self.epoch // self.batch

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng()
        numbers = range(index * self.batch, (index + 1) * self.batch)
        paths = [self.paths[number % len(self.paths)] for number in numbers]
        made = np.stack([pillow_patch(Path(path), self.px, rng) for path in paths])
        return made, np.zeros(len(made), np.int32)


class ManyPatches(keras.utils.PyDataset):
    """A batch is the K patches each of as many visits as fill it. epoch: visits in it."""

    def __init__(self, photos: Photos, epoch: int, batch: int, workers: int) -> None:
        super().__init__(workers=workers, use_multiprocessing=True)
        self.photos, self.visits, self.epoch = photos, max(batch // photos.k, 1), epoch

    def __len__(self) -> int:
        return self.epoch // self.visits

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        first = index * self.visits
        made = [self.photos.visit(n, n) for n in range(first, first + self.visits)]
        images = np.concatenate(made) if len(made) > 1 else made[0]
        return images, np.zeros(len(images), np.int32)


def batches(data: keras.utils.PyDataset) -> Iterator[np.ndarray]:
    """As `fit` takes them, short of turning them into the back end's tensors."""
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

    adapter = PyDatasetAdapter(data, shuffle=True)
    while True:
        adapter.on_epoch_begin()
        for images, _ in adapter.get_numpy_iterator():
            yield images
        adapter.on_epoch_end()
