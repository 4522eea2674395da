"""Batches for JAX: what is on its way to a device was not used."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from bench.lab.processes import ROOT
from pushfit.adapters.jax import batches
from tests.support import ragged
from tests.support.readings import EPOCHS, TRAIN, Opened, hashes, whole


@pytest.fixture(autouse=True)
def jax_does_not_run_here() -> None:
    """In place of the suite's: it does run here, as this file has a process of its own."""


@pytest.mark.parametrize("in_flight", [0, 1, 2, 5, 100])
def test_the_position_counts_what_the_loop_was_given(in_flight: int) -> None:
    opened = Opened()
    loop = batches(opened.reading, "train", in_flight=in_flight)
    for number in range(3):
        assert np.asarray(next(loop)["id"]).tolist() == whole()["train"][number]
        assert opened.passes.position() == (0, "train", number + 1)
    following = opened.feed.next
    assert following is not None
    segment, step = following
    number_pulled = step if segment.split == "train" else TRAIN
    assert number_pulled == min(TRAIN, 3 + max(1, in_flight) - 1)
    loop.close()


def test_what_was_in_flight_comes_again() -> None:
    opened = Opened()
    loop = batches(opened.reading_at(0), "train", in_flight=4)
    for _ in range(3):
        next(loop)
    loop.close()
    rest = batches(opened.reading_at(0), "train")
    assert [np.asarray(batch["id"]).tolist() for batch in rest] == whole()["train"][3:TRAIN]


def test_all_passes_are_the_stream() -> None:
    opened, found = Opened(), {"train": [], "val": []}
    for _ in range(EPOCHS):
        for split, each in found.items():
            for batch in batches(opened.reading, split):
                assert all(isinstance(array, jax.Array) for array in batch.values())
                each.append(np.asarray(batch["id"]).tolist())
    assert found == whole()
    audit = opened.feed.audit()
    assert {s: [row["stream_sha256"] for row in rows] for s, rows in audit.items()} == hashes()


SHARDED = """
import json

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pushfit.adapters.jax import batches
from tests.support import ragged
from tests.support.readings import SIZE, Opened

sharding = NamedSharding(Mesh(jax.devices(), ("data",)), PartitionSpec("data"))
loop = batches(Opened().reading, "train", sharding=sharding)
batch = next(loop)
parts = [shard.data.shape[0] for shard in batch["id"].addressable_shards]
devices = {shard.device.id for shard in batch["id"].addressable_shards}
assert all(array.sharding == sharding for array in batch.values())
print(json.dumps({"parts": parts, "devices": len(devices), "id": np.asarray(batch["id"]).tolist()}))
loop.close()
"""


def test_a_batch_is_shared_over_devices() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHARDED],
        env={
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        },
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said == {"parts": [2, 2], "devices": 2, "id": whole()["train"][0]}


def test_trimmed_batches() -> None:
    opened, found = ragged.Ragged(), {"train": [], "val": []}
    for _ in range(EPOCHS):
        for split, each in found.items():
            each += batches(opened.reading, split)
    assert all(isinstance(array, jax.Array) for array in found["train"][0].values())
    ragged.check(found)
    ragged.check_hash(opened.feed)
