"""`bench store` as short as it goes: every filter gives back what it got."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushfit.store.filters import FILTERS
from tests.support.benches import bench
from tests.support.photos import write_photos

pytestmark = pytest.mark.slow


def test_store(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", train=12, size=(500, 600))
    links = tmp_path / "photos"
    flags = ("--mb", 3, "--rounds", 1, "--kinds", "photos224", "--photos", links)
    result = bench("store", *flags)
    sizes = {name: result["ratios"][f"size_photos224_{name}"] for name in FILTERS}
    assert 1 <= sizes["none"] < 1.1
    assert all(sizes[name] < 1.1 for name in FILTERS)
    assert all(result["figures"][f"write_mb_s_photos224_{name}"] > 0 for name in FILTERS)
    assert result["data"] == str(links)  # what the figures are of
    assert not any("right" in figure for figure in result["figures"])
