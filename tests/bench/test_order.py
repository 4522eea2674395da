"""`bench order` as short as it goes: all three sides deliver."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.lab.processes import ROOT

pytestmark = pytest.mark.slow


def test_order() -> None:
    words = "order --json --seconds 0.3 --rounds 1"
    command = [sys.executable, "-m", "bench", *words.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    ratios = json.loads(done.stdout.splitlines()[-1])["ratios"]
    assert min(ratios.values()) > 0
    assert {"exact_vs_arrival", "exact_vs_bare_0.8MB", "exact_vs_bare_8MB"} <= ratios.keys()
