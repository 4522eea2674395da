"""Stored streams of noise for `bench replay`, by the sink's own writer and without a fleet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pushfit import tasks
from pushfit.store import layout
from pushfit.store.layout import Split, Store
from pushfit.store.writer import Writer, put
from pushfit.tasks import compatibility
from pushfit.tasks.base import TRAIN

# kind: (task, its parameters, patches of a visit, batch size): the tasks' own defaults
KINDS: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "64px": ("camera", {"patch": 64}, 16, 32),
    "224px": ("camera", {"patch": 224}, 16, 32),
    "512px": ("camera", {"patch": 512}, 16, 32),
    "digits": ("digits", {}, 1, 128),
}


def empty(
    name: str, changed: dict[str, Any], patches: int, batch: int, nbytes: float, least: int = 1
) -> Store:
    """One epoch of about `nbytes` of a task's samples, of which nothing is written.

    least: visits, where those bytes are fewer.
    """
    chosen = tasks.load(name)
    task = chosen(chosen.Params(**changed))
    sample = sum(spec.nbytes for spec in task.arrays())
    visits = max(least, round(nbytes / sample / patches))
    return Store(
        run="bench", task=name, source=compatibility.source_of(chosen), seed=0, batch_size=batch,
        params=msgspec.to_builtins(task.params), mix_visits=32, classes=tuple("0123456789"),
        counts={TRAIN: [visits]}, fingerprint="", arrays=task.arrays(),
        splits={TRAIN: Split.sized(visits, patches, 1, sample)},
    )  # fmt: skip


def make(folder: Path, kind: str, nbytes: int) -> Store:
    """One epoch of about `nbytes` of noise, in `folder`."""
    name, changed, patches, batch = KINDS[kind]
    store = empty(name, changed, patches, batch, nbytes, least=64)
    folder.mkdir(parents=True)
    layout.write(folder, store)
    config = {"task": name, "batch_size": batch, "patches_per_visit": patches, **store.params}
    written = {key: {"value": value, "source": "command line"} for key, value in config.items()}
    (folder / "config.json").write_text(json.dumps({"settings": written}))
    rng, group = np.random.default_rng(0), store.splits[TRAIN].group
    noise = [
        rng.integers(0, 256 if spec.shape else 2, (group * patches, *spec.shape)).astype(spec.dtype)
        for spec in store.arrays
    ]
    visits = store.splits[TRAIN].visits
    writer = Writer(folder, store, TRAIN, 0, 0, put)
    for first in range(0, visits, group):
        count = min(group, visits - first)
        writer.add([array[: count * patches] for array in noise], ["train/0/0.jpg"] * count, [])
    return store
