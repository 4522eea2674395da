"""HDF5 files as others write them, and what the task draws of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pushfit.plan.order import patch_draws
from pushfit.tasks.base import DataSet
from pushfit.tasks.hdf5.task import Hdf5Params, Hdf5Task

SHAPE = (6, 5, 3)


def hdf5(**params: object) -> Hdf5Task:
    return Hdf5Task(Hdf5Params(**{"shape": SHAPE, **params}))  # type: ignore[arg-type]


def noise(count: int, shape: tuple[int, ...] = SHAPE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def write(path: Path, **datasets: Any) -> Path:
    """`datasets`, where `__` stands for a slash. Returns the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "a") as file:
        for name, values in datasets.items():
            file[name.replace("__", "/")] = values
    return path.parent


def some(path: Path, count: int = 20, images: str = "images", labels: str = "labels") -> Path:
    return write(path, **{images: noise(count), labels: np.arange(count) % 4})


def drawn(task: Hdf5Task, split: str, records: np.ndarray, epoch: int = 0) -> dict[str, Any]:
    visits, patches = np.arange(len(records)), np.zeros(len(records), np.int64)
    draws = patch_draws(1, split, epoch, visits, records, patches)
    return dict(task.block(Path(), split, records, patches, draws))


def all_of(task: Hdf5Task, data: DataSet, split: str) -> dict[str, bytes]:
    """The image of each record, by its path."""
    made = drawn(task, split, np.arange(len(data.splits[split])))["image"]
    return {r.path: made[n].tobytes() for n, r in enumerate(data.splits[split])}
