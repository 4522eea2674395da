"""Batches for PyTorch: the same memory where that is possible, and one loop over the connection."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from bench.lab.processes import ROOT
from pushfit.adapters.torch import Batches, tensor
from tests.support import ragged
from tests.support.readings import EPOCHS, TRAIN, VAL, Opened, hashes, whole

SAME = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
WIDER = {"uint16": torch.int32, "uint32": torch.int64, "uint64": torch.int64}


@pytest.mark.parametrize("dtype", SAME)
def test_a_tensor_has_the_memory_of_its_array(dtype: str) -> None:
    array = np.zeros((2, 3), dtype)
    made = tensor(array)
    assert str(made.dtype) == f"torch.{dtype}"
    assert made.data_ptr() == array.ctypes.data
    array[1, 2] = 1
    assert made[1, 2] == 1


@pytest.mark.parametrize("dtype", WIDER)
def test_an_unsigned_type_is_widened(dtype: str) -> None:
    most = min(np.iinfo(dtype).max, 2**63 - 1)
    made = tensor(np.array([[0, most]], dtype))
    assert made.dtype == WIDER[dtype]
    assert made.tolist() == [[0, most]]


def test_the_stream_through_a_loader() -> None:
    opened, found = Opened(), {"train": [], "val": []}
    loaders = {
        split: DataLoader(Batches(opened.reading, split), batch_size=None) for split in found
    }
    assert {split: len(loader) for split, loader in loaders.items()} == {"train": TRAIN, "val": VAL}
    for _ in range(EPOCHS):
        for split, loader in loaders.items():
            for batch in loader:
                assert batch["id"].dtype == batch["twice"].dtype == torch.int64
                found[split].append(batch["id"].tolist())
    assert found == whole()
    audit = opened.feed.audit()
    assert {s: [row["stream_sha256"] for row in rows] for s, rows in audit.items()} == hashes()


def test_a_batch_is_read_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, places = Opened(), list[int]()
    pull = opened.feed.pull

    def noted() -> Any:
        batch = pull()
        places.append(batch.arrays["id"].ctypes.data)
        return batch

    monkeypatch.setattr(opened.feed, "pull", noted)
    assert [batch["id"].data_ptr() for batch in Batches(opened.reading, "train")] == places
    assert len(places) == TRAIN


WORKERS = """
from torch.utils.data import DataLoader

from bench.lab.processes import ROOT
from pushfit.adapters.torch import Batches
from pushfit.errors import StreamError
from tests.support import ragged
from tests.support.readings import Opened

opened = Opened()
try:
    list(DataLoader(Batches(opened.reading, "train"), batch_size=None, num_workers=1))
except StreamError as error:
    print(error)
print(opened.passes.position())
"""


def test_workers_are_refused() -> None:
    """In a process of its own: a worker is a fork, and other libraries have threads in this one."""
    done = subprocess.run(
        [sys.executable, "-c", WORKERS],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "the DataLoader has num_workers > 0: generators make the samples already" in done.stdout
    assert "Leave num_workers out" in done.stdout
    assert done.stdout.endswith("(0, 'train', 0)\n")


def test_trimmed_batches_are_views() -> None:
    opened, found = ragged.Ragged(), {"train": [], "val": []}
    for _ in range(EPOCHS):
        for split, each in found.items():
            for batch in DataLoader(Batches(opened.reading, split), batch_size=None):
                assert batch["ids"].stride() == (ragged.SIDE, 1)  # that of the declared array
                each.append({name: made.clone() for name, made in batch.items()})
    ragged.check(found)
    ragged.check_hash(opened.feed)
