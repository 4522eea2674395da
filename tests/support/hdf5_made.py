"""Writes an HDF5 file as others might: packed in chunks that no lease keeps to."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np


def write_hdf5(folder: Path, count: int = 600, side: int = 24) -> Path:
    """`count` images of three colours, which the file names."""
    folder.mkdir(parents=True)
    labels = np.arange(count) % 3
    images = np.random.default_rng(0).integers(0, 60, (count, side, side, 3), np.uint8)
    images[np.arange(count), :, :, labels] += 150
    with h5py.File(folder / "colours.hdf5", "w") as file:
        chunks = (7, side, side, 3)
        file.create_dataset("data", data=images, chunks=chunks, compression="gzip")
        file["y"] = labels
        file.attrs["class_names"] = ["red", "green", "blue"]
    return folder
