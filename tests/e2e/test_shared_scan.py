"""The processes of a host share one scan, and the stream is as if each had made its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import psutil
import pytest

from bench.lab.processes import Starter, free_port, until

TASK = """
import numpy as np

from pushfit import ArraySpec, DataSet, Record, RecordTable, Task


class Counted(Task):
    name = "counted"
    loss = "mse"
    shared_scan = {shared}

    def scan(self, links):
        with (links / "scans").open("a") as file:
            file.write("one\\n")
        records = (Record(f"train/{{number:05}}") for number in range(500))
        return DataSet((), {{"train": RecordTable.of(records)}})

    def arrays(self):
        return ArraySpec("x", "float32", (4,)), ArraySpec("y", "float32", (1,))

    def read(self, links, record):
        return record.path

    def decode(self, data, record):
        return int(data[-5:])

    def sample(self, item, record, split, patch, rng):
        return {{"x": rng.random(4, np.float32), "y": np.full(1, item, np.float32)}}

    def to_fit(self, batch):
        return batch["x"], batch["y"]
"""


class Run:
    """A sink of many epochs, and its fleet. links: the generators' data."""

    def __init__(
        self, start: Starter, links: Path, *, shared: bool, processes: int, epochs: int
    ) -> None:
        trainers = links / "trainer"  # which scans as well
        trainers.mkdir(parents=True)
        task, self.links, self.report = links / "counted.py", links, links / "report.json"
        task.write_text(TASK.format(shared=shared))
        words = ("--task", task, "--report", self.report, "--hash", "--epochs", epochs)
        self.sink = start.sink(trainers, *words)
        words = ("--task", task, "--processes", processes)
        self.fleet = start.generator(links, self.sink.port, *words)

    def stream(self) -> str:
        """The hash of the training stream, when it has ended."""
        self.sink.done()
        self.fleet.done()
        rows = json.loads(self.report.read_text())["splits"]["train"]
        return str(rows[-1]["stream_sha256"])

    @property
    def scans(self) -> int:
        """How many generators have scanned."""
        return len((self.links / "scans").read_text().splitlines())


def test_three_processes_and_one_that_is_started_again_scan_once(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    run = Run(start, tmp_path / "links", shared=True, processes=3, epochs=10**6)
    run.sink.wait_for("joined: 3 generators")
    os.kill(run.fleet.children()[-1].pid, signal.SIGKILL)
    run.fleet.wait_for("starting another")
    assert until(lambda: run.sink.output.count("joined") == 4)
    run.sink.send(signal.SIGTERM)
    run.sink.done(130)
    run.fleet.send(signal.SIGTERM)
    run.fleet.done(130)
    assert run.scans == 1
    assert not list(temporary.glob("pushfit-shared-*"))


@pytest.mark.slow
def test_the_stream_does_not_depend_on_who_scans(start: Starter, tmp_path: Path) -> None:
    fleets = [(True, 2), (False, 2), (True, 1)]
    streams = {
        Run(start, tmp_path / f"{shared}{count}", shared=shared, processes=count, epochs=3).stream()
        for shared, count in fleets
    }
    assert len(streams) == 1


def test_what_a_killed_supervisor_leaves_goes_with_the_next(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "train" / "a").mkdir(parents=True)

    def folders() -> list[Path]:
        return list(tmp_path.glob("pushfit-shared-*"))

    words = ("--processes", 2, "--stay")
    first = start.generator(tmp_path, 1, *words)
    assert until(lambda: bool(folders()))
    (left,) = folders()
    first.send(signal.SIGKILL)
    first.process.wait()
    assert left.exists()
    os.utime(left, (0, 0))
    second = start.generator(tmp_path, 1, *words)
    assert until(lambda: bool(folders()) and left not in folders())
    assert psutil.pid_exists(second.pid)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_fleet_that_stays_sees_data_that_changed_between_two_runs(
    start: Starter, photos: Path, processes: int
) -> None:
    port = free_port()
    fleet = start.generator(photos, port, "--processes", processes, "--stay")
    flags = ("--bind", f"tcp://127.0.0.1:{port}", "--patch", 32, "--links", photos)
    first = start("sink_zmq.py", "--null", *flags).done()
    photo = next((photos / "train").glob("*/*"))
    shutil.copy(photo, photo.with_name(f"another{photo.suffix}"))
    second = start("sink_zmq.py", "--null", *flags).done()
    assert "train 8" in first and "train 9" in second
    fleet.send(signal.SIGTERM)
    assert fleet.finish() in (0, 130)  # one alone had finished its runs
