"""`bench job` as small as it goes, and that the tuned rivals train on PushFit's very samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import job
from tests.support.photos import write_photos

pytestmark = pytest.mark.slow


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path, train=2, val=0, size=(200, 250))


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
