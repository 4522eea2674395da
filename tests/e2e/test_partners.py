"""Samples of several records, made by a fleet: the same stream, whatever happens to a partner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.lab.processes import Starter
from tests.support.own_tasks import plain, write_task
from tests.support.reports import hashes, report_of

pytestmark = pytest.mark.slow

MIXUP = """
def partners(self, number, records, split, rng):
    return rng.integers(len(records), size=2) if split == "train" else ()

def decode(self, data, record):
    from pushfit.errors import BadRecord

    if record.path == "train/05":
        {trouble}
    return int(record.path[-2:])

def sample(self, item, record, split, patch, rng):
    share = rng.random()
    numbers = [each for each, _ in item]
    x = np.full(4, share * numbers[0] + (1 - share) * numbers[-1], np.float32)
    return {"x": x, "y": x[:1]}
"""
BAD = 'raise BadRecord("it says so itself")'
CRASH = "import os; os.abort()"


@pytest.mark.parametrize("trouble", [BAD, CRASH])
def test_the_stream_is_the_same_for_any_fleet(start: Starter, tmp_path: Path, trouble: str) -> None:
    source = plain(MIXUP.replace("{trouble}", trouble))
    task, streams = write_task(tmp_path / "mytask.py", source), {}
    for fleet in (1, 2):
        report = tmp_path / f"{fleet}.json"
        flags = ("--task", task, "--epochs", 3, "--report", report, "--lease-bytes", "100")
        start.sink(tmp_path, *flags, "--generators", fleet).done()
        streams[fleet] = hashes(report_of(report))
    assert streams[1] == streams[2]
    found = json.loads(report.read_text())
    assert found["faults"]["bad_partners"] > 0
    assert [row["bad"] for row in found["splits"]["train"]] == [1, 1, 1]
