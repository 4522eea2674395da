"""`bench job` as small as it goes, and that the tuned rivals train on PushFit's very samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import job

pytestmark = pytest.mark.slow


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(4):
        path = tmp_path / "train" / f"camera{number % 2}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (20, 25, 3), np.uint8)
        Image.fromarray(pixels).resize((250, 200)).save(path, quality=95)
    return tmp_path


def test_sides_are_compared(photos: Path) -> None:
    words = "--rounds 1 --samples 512 --patch 32 --sides pushfit,tfdata_documented"
    result = job.run(["--links", str(photos), *words.split()])
    assert result["failed"] == []
    for name in ("vs_tfdata_documented", "vs_tfdata_documented_wall"):
        assert result["ratios"][name] > 0
    assert result["figures"]["pushfit_fit_cpu_s_per_1000"] > 0


def test_the_samples_are_the_same(photos: Path) -> None:
    sides = "pushfit,pydataset_tuned,torch_tuned,tfdata_tuned"
    words = f"--check --samples 512 --patch 32 --sides {sides}"
    result = job.run(["--links", str(photos), *words.split()])
    assert result["failed"] == []
    assert set(result["ratios"].values()) == {1.0}
    assert len(result["ratios"]) == 3
    assert set(result["figures"].values()) == {512.0}
