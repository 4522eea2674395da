"""Several trainers of one run, as a user starts them: one stream, fed by one fleet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pushfit
from bench.lab.processes import Script, Starter
from tests.support.reports import hashes, report_of

pytestmark = pytest.mark.slow

SHARDS = 4
STREAM = (
    *("--patch", 32, "--patches-per-visit", 4, "--batch-size", 32, "--mix-visits", 8, "--hash"),
    *("--lease-bytes", "50KB", "--epochs", 2, "--patches-per-epoch", 1_000, "--shards", SHARDS),
)


def ranks(start: Starter, photos: Path, tmp_path: Path, world: int) -> list[Script]:
    return [
        start.sink(
            photos, *STREAM, "--world", world, "--rank", rank,
            "--report", tmp_path / f"{world}-{rank}.json",
        )
        for rank in range(world)
    ]  # fmt: skip


def fed(
    start: Starter, photos: Path, tmp_path: Path, world: int, generators: int, *, kill: bool = False
) -> list[dict[str, Any]]:
    """The reports of the ranks of a run, fed by one fleet."""
    trainers = ranks(start, photos, tmp_path, world)
    addresses = [f"--connect=tcp://127.0.0.1:{trainer.port}" for trainer in trainers]
    fleet = start(
        *("generator_zmq.py", *addresses, "--links", photos, "--stint", 1),
        *("--processes", generators),
    )
    if kill:
        trainers[0].wait_for("joined")
        victim = fleet.children()[0]
        victim.kill()
        fleet.wait_for(rf"generator {victim.pid} ended \(SIGKILL\): starting another")
    for trainer in trainers:
        assert "exactly once" in trainer.done()
    fleet.done()
    return [report_of(tmp_path / f"{world}-{rank}.json") for rank in range(world)]


def test_the_stream_is_the_same_for_any_number_of_trainers_and_generators(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    (one,) = fed(start, photos, tmp_path, 1, 2)
    two = fed(start, photos, tmp_path, 2, 1)
    four = fed(start, photos, tmp_path, 4, 5, kill=True)
    assert len(hashes(one)) == 4
    for reports in ([one], two, four):
        assert pushfit.audit_of_ranks(reports) == one["splits"]
    rows = one["splits"]["train"]
    assert [row["padding"] for row in rows] == [2 * 4] * 2  # 250 visits are 62.5 of each shard
    assert [row["expected"] for row in rows] == [1_008] * 2
    assert len({part["stream_sha256"] for row in rows for part in row["shards"]}) == 8
