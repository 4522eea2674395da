"""`bench compress` as short as it goes: every mode delivers the same samples over a capped link."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg

from bench.lab.hosts import why_not
from bench.lab.processes import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture
def links(tmp_path: Path) -> Path:
    soft = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    photo = np.ascontiguousarray(soft.repeat(20, axis=0).repeat(20, axis=1))
    for name in ("alpha", "beta"):
        folder = tmp_path / "train" / name
        folder.mkdir(parents=True)
        (folder / "1.jpg").write_bytes(simplejpeg.encode_jpeg(photo, quality=90))
    return tmp_path


def bench(*words: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench", "compress", "--json", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_compress(links: Path) -> None:
    """Where the modes deliver different samples, the exit code is another."""
    if reason := why_not():
        pytest.skip(reason)
    small = ("--px", 64, "--rounds", 1, "--seconds", 0.3, "--warm", 0.3)
    result = bench("--links", links, "--rates", "100mbit,uncapped", *small)
    rates = ("100mbit", "uncapped")
    modes = ("compress", "compress_elsewhere", "auto")
    named = {f"{mode}_vs_none_{rate}" for mode in modes for rate in rates}
    assert result["ratios"].keys() == named
    assert min(result["ratios"].values()) > 0
    assert result["figures"]["patches_per_second_zstd_100mbit"] > 0


def test_methods(links: Path) -> None:
    """Each is compared with what went in, and one with a loss ends the bench."""
    pytest.importorskip("imagecodecs")
    result = bench("--links", links, "--px", 64, "--methods")
    assert result["ratios"]["product"] > 1
    assert len(result["ratios"]) > 20
    assert result["figures"]["unpack_mb_s_green_up_zstd1"] > 0
