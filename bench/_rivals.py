"""What other libraries feed a model with, over the same `Work`: as documented, and tuned.

Documented is as the library's own documentation does it: each sample is one patch of one photo, and
draws its own randomness. Tuned is as its best advocate would have it: K patches of each photo, and
PushFit's decoder and transforms where the library can run Python. A function returns what `fit`
takes as x: batches of (images, labels).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench._patches import Graph, pillow_patch
from bench._work import BATCH, Work

WORKERS = 2


def pillow(path: str, px: int) -> np.ndarray:
    """(px, px, 3) uint8: one patch of a photo, drawn and made by Pillow."""
    return np.array(pillow_patch(Path(path), px, np.random.default_rng()))


# -- PyTorch ------------------------------------------------------------------------------------


class _Photos:
    """A map-style dataset: an item is one patch of one photo, and its label."""

    def __init__(self, work: Work) -> None:
        self.photos, self.px = work.photos, work.patch

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        import torch

        path, label = self.photos[index]
        return torch.from_numpy(pillow(path, self.px)), label


class _Visits:
    """A map-style dataset: an item is all patches of so many visits, and their labels."""

    def __init__(self, work: Work, visits: int) -> None:
        self.work, self.visits = work, visits

    def __len__(self) -> int:
        return self.work.visits // self.visits

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        import torch

        first = index * self.visits
        images, labels = self.work.made(range(first, first + self.visits))
        return torch.from_numpy(images), torch.from_numpy(labels)


def _loader(dataset: Any, **options: Any) -> Any:
    from torch.utils.data import DataLoader

    return DataLoader(dataset, num_workers=WORKERS, **options)


def torch_documented(work: Work) -> Any:
    return _loader(_Photos(work), batch_size=BATCH, shuffle=True)


def torch_tuned(work: Work, visits: int) -> Any:
    """visits: of an item, which no one collates."""
    options = {"prefetch_factor": 4, "persistent_workers": True}
    return _loader(_Visits(work, visits), batch_size=None, **options)


# -- Keras --------------------------------------------------------------------------------------


class _PhotoBatch:
    """Makes a batch of one patch each of BATCH photos."""

    def __init__(self, work: Work) -> None:
        self.photos, self.px = work.photos, work.patch

    def __call__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.photos[index * BATCH : (index + 1) * BATCH]
        images = np.stack([pillow(path, self.px) for path, _ in rows])
        return images, np.array([label for _, label in rows], np.int32)


def _py_dataset(batches: int, make: Callable[[int], Any]) -> Any:
    from bench._keras import Sequence

    return Sequence(batches, make, workers=WORKERS, use_multiprocessing=True)


def keras_documented(work: Work) -> Any:
    return _py_dataset(work.samples // BATCH, _PhotoBatch(work))


def keras_tuned(work: Work) -> Any:
    return _py_dataset(work.visits // work.visits_a_batch, work.batch)


# -- tf.data ------------------------------------------------------------------------------------


def _mapped(photos: list[tuple[str, int]], function: Callable[[Any, Any], Any]) -> Any:
    import tensorflow as tf

    paths, labels = map(list, zip(*photos, strict=True))
    dataset = tf.data.Dataset.from_tensor_slices((paths, np.array(labels, np.int32)))
    return dataset.map(function, num_parallel_calls=tf.data.AUTOTUNE)


def tf_photos(work: Work, *, tuned: bool = False) -> Any:
    """The documented way: paths, a map of native operations, batches. tuned: as `Graph` has it."""
    one = Graph(work.patch, tuned=tuned).one
    photos = _mapped(work.photos, lambda path, label: (one(path), label))
    return photos.batch(BATCH, drop_remainder=True)


def tf_visits(work: Work, *, tuned: bool = False) -> Any:
    """A visit's K patches by native operations, not batched: any process can run it."""
    import tensorflow as tf

    many = Graph(work.patch, tuned=tuned).many

    def visit(path: Any, label: Any) -> Any:
        return many(path, work.patches), tf.fill((work.patches,), label)

    return _mapped([(f"{work.links}/{each.path}", each.label) for each in work.visited], visit)


def prefetched(dataset: Any) -> Any:
    import tensorflow as tf

    return dataset.prefetch(tf.data.AUTOTUNE)
