"""`bench serve` as short as it goes: both sides answer, and nothing that is spoilt breaks them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from bench import _load, serve
from tests.support.idx_files import write_digits, write_idx


@pytest.mark.slow
def test_serve(tmp_path: Path) -> None:
    mnist = write_digits(tmp_path, 50)
    short = ["--seconds", "0.5", "--rounds", "1", "--most", "60", "--malformed", "300"]
    result = serve.run([*short, "--links", str(mnist)])
    # On a machine that is busy enough, no rate is good; whatever else is told is an error.
    assert all("no rate that was tried" in sentence for sentence in result["failed"])
    figures = result["figures"]
    assert sum(n for name, n in figures.items() if name.startswith("malformed_")) == 300
    assert figures["malformed_415"] > 50 and figures["malformed_400"] > 50
    assert 0 < figures["p50_ms_at_50"] <= figures["p99_ms_at_50"]
    assert figures["memory_after_mib"] < figures["memory_before_mib"] + 100


@pytest.mark.slow
def test_the_protocols_of_http_are_compared(tmp_path: Path) -> None:
    strokes = np.zeros((20, 28, 28))
    strokes[:, 5:23, 12:16] = 255
    write_idx(tmp_path / "train-images-idx3-ubyte", strokes)
    result = serve.run(["--http", "--seconds", "0.5", "--rounds", "1", "--links", str(tmp_path)])
    assert result["failed"] == []
    assert len(result["ratios"]) == 4 and all(ratio > 0 for ratio in result["ratios"].values())
    assert result["figures"]["h11_recognize_requests_s"] > 0


def test_spoilt_uploads_are_of_many_kinds_and_the_same_each_time() -> None:
    first, again = (
        {_load.spoil(rng, [b"a file that is long enough"]) for _ in range(300)}
        for rng in (random.Random(1), random.Random(1))
    )
    assert first == again and len(first) > 200
