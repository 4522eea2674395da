"""`bench fit` as short as it goes; what is pushed there is what `memory` trains on."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from bench._ready import fleet, noise
from bench.lab.processes import ROOT
from pushfit.settings.stream import MiB, StreamSettings
from pushfit.tasks.camera.params import CameraParams
from tests.support.benches import bench

pytestmark = pytest.mark.slow


def test_fit() -> None:
    words = "--parts fit --seconds 0.3 --rounds 1 --regimes 28px --cores all"
    result = bench("fit", *words.split())
    for name in ("vs_memory_28px_all", "vs_beside_28px_all"):
        assert result["ratios"][name] > 0
    for side in ("memory", "fed"):
        assert result["figures"][f"{side}_28px_all_cpu_ms"] > 0


# In a process of its own, as JAX warns of every fork once it has run.
READ = """
import sys
from pathlib import Path

import pushfit
from bench._adapter_sides import SIDES
from bench._replay_store import make

name, folder = sys.argv[1], Path(sys.argv[2])
make(folder, "64px", 2**20)
read = {}
for side in ("plain", name):
    begin, arrays = SIDES[side]
    with pushfit.stream(from_=folder, epochs=2, splits=("train",)) as stream:
        passes = begin(stream)
        read[side] = [next(iter(arrays(b))).tobytes() for _ in range(2) for b in passes()]
assert len(read["plain"]) > 2
assert read[name] == read["plain"]
"""


@pytest.mark.parametrize("name", ["tf", "torch", "jax", "keras"])
def test_an_adapter_gives_what_the_plain_loop_gives(name: str, tmp_path: Path) -> None:
    framework = {"tf": "tensorflow"}.get(name, name)
    if find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    command = [sys.executable, "-c", READ, name, str(tmp_path / "stored")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr


def test_adapters() -> None:
    words = "--parts adapters --seconds 0.2 --rounds 1 --kinds 64px"
    result = bench("fit", *words.split())
    for name in ("tf", "torch", "jax", "keras"):
        assert result["ratios"][f"{name}_vs_plain"] == result["ratios"][f"{name}_vs_plain_64px"] > 0
        assert result["figures"][f"{name}_64px_cpu_us"] > 0
        assert f"{name}_adds_us_64px" in result["figures"]


def test_fed_is_what_is_in_memory() -> None:
    settings = StreamSettings(
        batch_size=64, epochs=1, patches_per_epoch=1600, patches_per_visit=16,
        bind="tcp://127.0.0.1:0", buffer=64 * MiB,
    )  # fmt: skip
    fed = []
    with fleet(settings, CameraParams(patch=28), 2) as stream:
        for batch in stream.feed.all():
            fed += [row.tobytes() for row in batch.arrays["image"]]
        rows = noise(stream.feed.specs, 1600)[0]
    assert len(fed) == 1600
    assert set(fed) <= {row.tobytes() for row in rows}
    assert np.frombuffer(fed[0], np.uint8).std() > 50  # noise, not a blank
