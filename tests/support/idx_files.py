"""Writes IDX files as MNIST has them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from pushfit.tasks.digits import idx


def idx_bytes(values: np.ndarray) -> bytes:
    return idx.head(*values.shape) + values.astype(np.uint8).tobytes()


def write_idx(path: Path, values: np.ndarray) -> None:
    """An IDX file of `values`; gzipped where the name says so."""
    content = idx_bytes(values)
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)


def write_digits(folder: Path, count: int = 40, *, end: str = "", name: str = "train") -> Path:
    """`count` images of 28 x 28 pixels, of ten classes in turn, each its class's grey and noise."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = np.arange(count) % 10
    noise = np.random.default_rng(count).integers(0, 25, (count, 28, 28))
    write_idx(folder / f"{name}-images-idx3-ubyte{end}", 25 * labels[:, None, None] + noise)
    write_idx(folder / f"{name}-labels-idx1-ubyte{end}", labels)
    return folder
