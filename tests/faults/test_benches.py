"""The benches of the guarantees, as short as they go: they run, and what they say holds.

The figures that count are those of long runs on a quiet machine, see docs/performance.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench import _schedule
from bench._havoc import Strike
from bench._watched import Progress
from bench.chaos import recovery
from bench.lab.processes import ROOT

pytestmark = pytest.mark.slow


def bench(*words: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench", "--json", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_chaos() -> None:
    """Seed 7: killed, stopped, cut off, slow, …"""
    result = bench("chaos", "--minutes", 0.4, "--seed", 7, "--expiry", 3, "--silence", 1)
    assert result["ratios"] == {"hash_equal": 1}
    figures = result["figures"]
    assert figures["faults"] >= 3
    assert (figures["missing"], figures["duplicate"]) == (0, 0)
    assert figures["recovery_worst_s"] >= figures["recovery_p50_s"] > 0


def test_a_bench_that_is_terminated_leaves_nobody_behind() -> None:
    command = [sys.executable, "-m", "bench", "chaos", "--minutes", "5"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert any("the calm run" in line for line in process.stderr)  # the photos come first
            bench_itself = psutil.Process(process.pid)
            until = time.monotonic() + 60
            while len(bench_itself.children(recursive=True)) < 3 and time.monotonic() < until:
                time.sleep(0.1)
            fleet = bench_itself.children(recursive=True)
        finally:
            process.terminate()
        assert len(fleet) >= 3
        assert process.wait(60) != 0
    _, left = psutil.wait_procs(fleet, timeout=10)
    assert not left


def test_soak() -> None:
    figures = bench("soak", "--minutes", 0.15)["figures"]
    assert figures["visits_per_second"] > 0
    assert figures["warnings"] == 0


@pytest.mark.parametrize("apart", [True, False])
def test_a_seed_fixes_the_faults_and_ten_minutes_have_a_hundred_of_every_kind(
    apart: bool,
) -> None:
    drawn = _schedule.draw(3, 600.0, 5.0, apart)
    assert drawn == _schedule.draw(3, 600.0, 5.0, apart)
    assert drawn != _schedule.draw(4, 600.0, 5.0, apart)
    assert len(drawn) >= 120  # now and then there is nobody to strike
    hosts = {**_schedule.NETWORK, **_schedule.FILES} if apart else {}
    kinds = {**_schedule.PROCESS, **hosts}
    assert {event.kind for event in drawn} == kinds.keys()
    assert all(event.lasts > 5.0 for event in drawn if event.kind in ("stop", "hang_file"))
    still = _schedule.draw(3, 600.0, 5.0, apart, hangs=False)
    assert {event.kind for event in still} == kinds.keys() - {"hang_file"}


def test_recovery_is_when_all_that_was_granted_has_come(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    path.write_text("1.0 10 4 100\n! a warning\n2.0 12 9 100\n3.0 30 10 100\n4.0 30 20 100\n")
    progress = Progress(path)
    assert progress.warnings == ["a warning"]
    assert progress.recovery(1.5, 1.5) == 1.5  # the 10 of second 1.0 are in at 3.0
    assert progress.recovery(1.0, 2.5) == 0.5  # counted from where it could begin
    assert progress.recovery(3.5, 3.5) is None  # 30 never came


def test_recovery_from_what_strikes_until_its_end_is_the_worst_while_it_lasts(
    tmp_path: Path,
) -> None:
    path = tmp_path / "progress"
    path.write_text("1.0 5 5 1\n1.5 9 5 1\n2.0 9 5 1\n6.0 9 9 1\n7.0 9 9 1\n")
    progress, strike = Progress(path), Strike("hang_file", 1.0)
    assert recovery(progress, strike) == 0.5
    strike.until = 3.0
    assert 4.0 < (recovery(progress, strike) or 0.0) < 4.5  # granted at 1.5, received at 6.0
    strike.until = 8.0
    assert recovery(progress, strike) is None  # nobody looked after 7.0
