"""`bench ranks` with few samples: each side works, and its figures are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import ranks
from pushfit.samples.photos import Plan, make

pytestmark = pytest.mark.slow


def photos(folder: Path) -> Path:
    make(folder, Plan(train=2, val=1))
    return folder


def test_ranks(tmp_path: Path) -> None:
    links = str(photos(tmp_path / "links"))
    words = ["--links", links, "--samples", "800", "--rounds", "1", "--worlds", "1,2"]
    result = ranks.run(words)
    assert result["failed"] == []
    assert result["ratios"].keys() == {
        *("sum_vs_one_2", "cpu_vs_one_2", "sum_vs_one", "cpu_vs_one")
    }
    names = {f"world_{world}_{name}" for world in (1, 2) for name in ("mb_s", "cpu_s")}
    assert result["figures"].keys() == names
    assert min(result["figures"].values()) > 0
