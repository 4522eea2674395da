"""One fleet for several runs, as a user starts it: each has the stream that it has by itself."""

from __future__ import annotations

import itertools
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from bench.lab.processes import Script, Starter, free_port
from tests.support.reports import hashes, report_of

pytestmark = pytest.mark.slow

STREAM = (
    *("--patch", 32, "--patches-per-visit", 8, "--batch-size", 8, "--mix-visits", 8, "--hash"),
    *("--lease-bytes", "100KB", "--epochs", 2),
)
PATCHES = {"a": 4_000, "b": 24_000, "trained": 800}  # of an epoch
MANY = 24_000  # no process makes two epochs of them in its first stint (a quick core: 8,000/s)


def flags(name: str, patches: int | None = None) -> tuple[object, ...]:
    return (*STREAM, "--patches-per-epoch", patches or PATCHES[name], "--seed", len(name))


def shared(
    start: Starter,
    photos: Path,
    tmp_path: Path,
    processes: int,
    *,
    patches: int | None = None,
    kill: bool = False,
) -> tuple[Script, dict[str, Any]]:
    """Two sinks (of `patches` an epoch each) and a trainer, fed by one fleet: its script, and
    their reports."""
    runs = {
        name: start.sink(photos, *flags(name, patches), "--report", tmp_path / f"{name}.json")
        for name in ("a", "b")
    }
    runs["trained"] = start.trainer(
        photos, *flags("trained"), "--out", tmp_path / "run", "--progress", "lines"
    )
    addresses = [f"--connect=tcp://127.0.0.1:{run.port}" for run in runs.values()]
    fleet = start(
        *("generator_zmq.py", *addresses, "--links", photos),
        *("--processes", processes, "--stint", 2),
    )
    if kill:
        for run in runs.values():
            run.wait_for("joined")
        victim = fleet.children()[0]
        victim.kill()
        fleet.wait_for(rf"generator {victim.pid} ended \(SIGKILL\): starting another")
    for run in runs.values():
        run.done()
    paths = {"a": tmp_path / "a.json", "b": tmp_path / "b.json"}
    paths["trained"] = tmp_path / "run" / "report.json"
    return fleet, {name: report_of(path) for name, path in paths.items()}


def test_two_sinks_and_a_trainer_share_three_processes_of_which_one_is_killed(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    fleet, reports = shared(start, photos, tmp_path, 3, kill=True)
    alone = {name: tmp_path / f"{name}-alone.json" for name in reports}
    solos = [  # a trainer's stream is that of a sink
        start.sink(photos, *flags(name), "--generators", 1, "--report", path)
        for name, path in alone.items()
    ]
    for solo in solos:
        solo.done()
    for name, report in reports.items():
        assert hashes(report) == hashes(report_of(alone[name])), name
    assert len({tuple(hashes(report)) for report in reports.values()}) == 3
    fleet.done()  # all runs are over
    # Who had begun with a run that was over before the others went to one of them.
    worked = [{row["name"] for row in report["generators"]} for report in reports.values()]
    assert any(one & other for one, other in itertools.combinations(worked, 2))
    assert start.no_orphans()


def test_one_process_serves_three_runs_by_turns(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    fleet, reports = shared(start, photos, tmp_path, 1, patches=MANY)
    fleet.done()
    assert all(len(report["generators"]) == 1 for report in reports.values())
    assert fleet.output.count("wants generators") >= 2, fleet.output


def test_a_run_of_another_task_is_left_out_with_its_message_and_the_exit_code_tells(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    camera = start.sink(photos, *flags("a"), "--report", tmp_path / "r.json")
    digits = start("sink_zmq.py", "--null", "--task", "digits", "--bind", "tcp://127.0.0.1:0")
    words = ("--connect", f"tcp://127.0.0.1:{digits.port},tcp://127.0.0.1:{camera.port}")
    fleet = start("generator_zmq.py", *words, "--links", photos)
    camera.done()
    fleet.done(2)
    assert re.search(rf":{digits.port} is left out, others continue: .*", fleet.output)
    assert fleet.output.splitlines()[-1].startswith("error: ")
    digits.wait_for("cannot take part")
    digits.send(signal.SIGINT)
    digits.done(130)


def test_with_stay_it_serves_the_next_run_at_the_same_address(start: Starter, photos: Path) -> None:
    ports = free_port(), free_port()
    addresses = [f"--connect=tcp://127.0.0.1:{port}" for port in ports]
    fleet = start("generator_zmq.py", *addresses, "--links", photos, "--stay")
    for port in (*ports, ports[0]):
        start.sink(photos, *flags("a"), "--bind", f"tcp://127.0.0.1:{port}").done()
    assert fleet.process.poll() is None
    fleet.send(signal.SIGINT)
    fleet.finish(5.0)
    assert fleet.output.count("found run") == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "--connect tcp://a:1,tcp://b:1,tcp://c:1 --key a.key --key b.key",
            "--connect names 3 addresses and --key 2 files: give one file for each",
        ),
        ("--connect tcp://a:1 --key a,b", "--connect names 1 address and --key 2 files"),
        ("--connect tcp://a:1 --connect tcp://a:1", "names tcp://a:1 twice: give each trainer"),
        ("--connect tcp://a:1,b:1", "did you mean 'tcp://b:1'"),
        ("--connect tcp://a:1 tcp://b:1", "'tcp://b:1' is not expected here"),
        ("--connect tcp://a:1,", "each of its items an address such as tcp://gpu-box:12001"),
        ("--connect=", "--connect names no trainer"),
        (
            "--connect tcp://a:1,tcp://b:1 --key none,nowhere.key",
            "the key file nowhere.key cannot be",
        ),
        ("--stint 0", "--stint on the command line: '0' is not valid"),
    ],
)
def test_lists_that_do_not_go_together(start: Starter, words: str, says: str) -> None:
    script = start("generator_zmq.py", *words.split())
    script.done(2)
    assert says in script.output and len(script.lines) == 1, script.output
