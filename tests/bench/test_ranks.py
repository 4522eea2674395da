"""`bench ranks` with few samples: each side works, and its figures are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import ranks
from tests.support.photos import write_photos

pytestmark = pytest.mark.slow


def test_ranks(tmp_path: Path) -> None:
    links = str(write_photos(tmp_path / "links"))
    words = ["--links", links, "--samples", "800", "--rounds", "1", "--worlds", "1,2"]
    result = ranks.run(words)
    assert result["failed"] == []
    assert result["ratios"].keys() == {
        *("sum_vs_one_2", "cpu_vs_one_2", "sum_vs_one", "cpu_vs_one")
    }
    names = {f"world_{world}_{name}" for world in (1, 2) for name in ("mb_s", "cpu_s")}
    assert result["figures"].keys() == names
    assert min(result["figures"].values()) > 0
