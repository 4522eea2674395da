"""`bench transport` as short as it goes; the sides themselves compare what was delivered."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.lab.processes import ROOT

pytestmark = pytest.mark.slow


def test_transport() -> None:
    words = "transport --json --seconds 0.2 --rounds 1 --sizes 0.8MB --peers 1"
    command = [sys.executable, "-m", "bench", *words.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    for name in ("vs_raw", "vs_raw_kept", "vs_tfdata_service", "vs_tfdata_service_compressed"):
        assert result["ratios"][f"{name}_0.8MB"] > 0
    for side in ("raw", "ours", "tf_uncompressed", "tf_compressed_tuned"):
        assert result["figures"][f"{side}_0.8MB_x1_cpu_s_per_gb"] > 0
