"""Stores made by hand, of random samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pushfit.files import replacing
from pushfit.store import layout
from pushfit.store.image import Image
from pushfit.store.layout import Split, Store, shard_path
from pushfit.tasks.base import ArraySpec

ARRAYS = (
    ArraySpec("image", "uint8", (6, 6, 3)),
    ArraySpec("label", "int32", ()),
    ArraySpec("weight", "float64", (2,)),
)


def a_store(
    visits: int = 23, patches: int = 3, group: int = 4, shard: int = 8, compress: str = "none"
) -> Store:
    return Store(
        run="abc", task="made", source="1234", params={"side": 6}, seed=7, batch_size=5,
        mix_visits=4, classes=("even", "odd", "øre"), counts={"train": [9, 9, 5], "val": [1, 1, 1]},
        fingerprint="f" * 64, arrays=ARRAYS, compress=compress,
        splits={
            "train": Split(visits, patches, 2, group, shard),
            "val": Split(3, 1, 1, group, shard),
        },
    )  # fmt: skip


def samples(store: Store, split: str, epoch: int) -> list[np.ndarray]:
    """All of an epoch: (visits · K, *shape) each."""
    form = store.splits[split]
    rng = np.random.default_rng([epoch, len(split)])
    rows = form.visits * form.patches
    top = {"label": 3}
    return [
        rng.integers(0, top.get(spec.name, 200), (rows, *spec.shape)).astype(spec.dtype)
        for spec in store.arrays
    ]


def image(store: Store, split: str, epoch: int, number: int) -> Image:
    """A shard with its samples in it, not closed."""
    form, made = store.splits[split], Image(store, split, epoch, number)
    first, count = form.span(number)
    every = samples(store, split, epoch)
    group = form.group * form.patches
    for start in range(0, count * form.patches, group):
        rows = min(group, count * form.patches - start)
        low = first * form.patches + start
        arrays = [np.zeros((group, *spec.shape), spec.dtype) for spec in store.arrays]
        for into, array in zip(arrays, every, strict=True):
            into[:rows] = array[low : low + rows]
        made.add(
            arrays, rows, [f"train/é/{row // form.patches}.jpg" for row in range(low, low + rows)]
        )
    return made


def write_shard(folder: Path, store: Store, split: str, epoch: int, number: int) -> Path:
    path = shard_path(folder, split, epoch, number)
    with replacing(path) as temporary:
        temporary.write_bytes(
            image(store, split, epoch, number).close([store.splits[split].span(number)[0]])
        )
    return path


def write_store(folder: Path, store: Store) -> Store:
    """The whole of it."""
    folder.mkdir(parents=True, exist_ok=True)
    layout.write(folder, store)
    for split, form in store.splits.items():
        for epoch in range(form.epochs):
            for number in range(form.shards):
                write_shard(folder, store, split, epoch, number)
    return store
