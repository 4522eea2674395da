"""`bench replay` as short as it goes: every side reads all that is stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import _replay, replay
from bench._replay_store import KINDS, make


def test_every_side_reads_the_samples_that_are_stored(tmp_path: Path) -> None:
    for kind in ("64px", "digits"):
        store = make(tmp_path / kind, kind, 2**20)
        samples = store.splits["train"].visits * KINDS[kind][2] * store.sample_bytes
        for epoch in (0, 1):
            assert sum(_replay.feed(tmp_path / kind, kind, epoch)) == samples
        files = sum(path.stat().st_size for path in (tmp_path / kind).glob("*.h5"))
        assert sum(_replay.plain(tmp_path / kind)) == files > samples
        assert sum(_replay.filling(tmp_path / kind, kind)) == files


@pytest.mark.slow
def test_replay(tmp_path: Path) -> None:
    flags = ["--size", "12MiB", "--seconds", "0.01", "--rounds", "1", "--folder", str(tmp_path)]
    result = replay.run([*flags, "--kinds", "64px"])
    assert result["failed"] == []
    ratios, figures = result["ratios"], result["figures"]
    warm = {
        f"64px_warm_{side}_vs_{other}"
        for side in ("feed", "again")
        for other in ("plain", "filling")
    }
    assert ratios.keys() == warm | {"64px_cold_feed_vs_plain"}
    assert min(ratios.values()) > 0
    assert 0 <= figures["fit_stall_share"] <= 1 and figures["fit_patches_s"] > 0
    assert not list(tmp_path.iterdir())
