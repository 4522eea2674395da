"""What reports and logs of runs say, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FIELDS = {
    *("run", "seed", "task", "splits", "patches_per_second", "bytes_per_second", "stall_share"),
    *("stages_s", "generators", "faults", "backups", "metrics", "data", "versions"),
    *("started", "ended_at", "seconds"),
}


AUDIT = {"epoch", "expected", "seen", "duplicate", "missing", "skipped", "bad", "stream_sha256"}


def report_of(path: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(path.read_text())
    assert report.keys() >= FIELDS
    for row in (row for rows in report["splits"].values() for row in rows):
        assert row.keys() - {"trained", "padding", "shards"} == AUDIT
        assert (row["seen"], row["duplicate"], row["missing"]) == (row["expected"], 0, 0)
    return report


def untold(splits: dict[str, Any]) -> dict[str, Any]:
    """The audit without what only a training has, to be compared with a sink's."""
    return {
        split: [{key: value for key, value in row.items() if key != "trained"} for row in rows]
        for split, rows in splits.items()
    }


def hashes(report: dict[str, Any]) -> list[str]:
    return [row["stream_sha256"] for rows in report["splits"].values() for row in rows]
