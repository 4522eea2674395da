"""`bench remote` as short as it goes: both sides deliver, pieces add up, the plot is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import remote

pytestmark = pytest.mark.slow


def test_remote_in_pieces(tmp_path: Path) -> None:
    keep, plot = tmp_path / "kept.json", tmp_path / "plot.png"
    words = ["--rounds", "1", "--seconds", "0.3", "--wait", "0.02", "--keep", str(keep)]
    first = remote.run([*words, "--workers", "1"])
    assert first["failed"] == []
    assert first["ratios"]["vs_service_1"] > 0
    result = remote.run([*words, "--workers", "2", "--plot", str(plot)])
    assert result["ratios"]["ideal_2"] > 0
    assert result["ratios"]["service_ideal_2"] > 0
    assert result["figures"]["pushfit_2_samples_per_s"] > 0
    assert plot.stat().st_size > 10_000
