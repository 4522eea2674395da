"""Processes that stand still for longer than they may, and go on: nothing is lost or repeated."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from bench.lab.processes import Starter, until

pytestmark = pytest.mark.slow

FLAGS = ("--patch", 32, "--lease-bytes", "100KB", "--silence", 1.5, "--expiry", 5)


def audited(path: Path) -> dict[str, int]:
    report = json.loads(path.read_text())
    for row in (row for rows in report["splits"].values() for row in rows):
        assert (row["seen"], row["duplicate"], row["missing"]) == (row["expected"], 0, 0)
    faults: dict[str, int] = report["faults"]
    return faults


def test_a_stopped_generator_is_lost_and_says_hello_again_when_it_goes_on(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    sink = start.sink(photos, *FLAGS, "--epochs", 100, "--report", tmp_path / "r.json")
    stopped = start.generator(photos, sink.port)
    sink.wait_for("joined: 1 generator now")
    stopped.send(signal.SIGSTOP)
    sink.wait_for(r"left \(its connection closed\)")
    other = start.generator(photos, sink.port)
    sink.wait_for("joined: 1 generator now.*joined: 1 generator now".replace(".*", r"[\s\S]*"))
    stopped.send(signal.SIGCONT)
    assert until(lambda: stopped.output.count("found run") == 2)
    sink.wait_for("joined: 2 generators now")
    sink.done()
    for each in (stopped, other):
        each.done()
    assert audited(tmp_path / "r.json")["generators_lost"] >= 1


def test_a_stopped_trainer_finds_its_fleet_again(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    sink = start.sink(photos, *FLAGS, "--epochs", 100, "--report", tmp_path / "r.json")
    generator = start.generator(photos, sink.port)
    sink.wait_for("joined")
    sink.send(signal.SIGSTOP)
    generator.wait_for("left run .*: .* (closed|silent for .* s)\n")
    sink.send(signal.SIGCONT)
    assert until(lambda: generator.output.count("found run") >= 2)
    sink.done()
    generator.done()
    audited(tmp_path / "r.json")
