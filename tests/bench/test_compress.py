"""`bench compress` as short as it goes: every mode delivers the same samples over a capped link."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.lab.hosts import why_not
from tests.support.benches import bench
from tests.support.photos import write_photos

pytestmark = pytest.mark.slow


@pytest.fixture
def links(tmp_path: Path) -> Path:
    return write_photos(tmp_path, train=1, val=0, size=(600, 800))


def test_compress(links: Path) -> None:
    """Where the modes deliver different samples, the exit code is another."""
    if reason := why_not():
        pytest.skip(reason)
    small = ("--px", 64, "--rounds", 1, "--seconds", 0.3, "--warm", 0.3)
    result = bench("compress", "--links", links, "--rates", "100mbit,uncapped", *small)
    rates = ("100mbit", "uncapped")
    modes = ("compress", "compress_elsewhere", "auto")
    named = {f"{mode}_vs_none_{rate}" for mode in modes for rate in rates}
    assert result["ratios"].keys() == named
    assert min(result["ratios"].values()) > 0
    assert result["figures"]["patches_per_second_zstd_100mbit"] > 0


def test_methods(links: Path) -> None:
    """Each is compared with what went in, and one with a loss ends the bench."""
    pytest.importorskip("imagecodecs")
    result = bench("compress", "--links", links, "--px", 64, "--methods")
    assert result["ratios"]["product"] > 1
    assert len(result["ratios"]) > 20
    assert result["figures"]["unpack_mb_s_green_up_zstd1"] > 0
