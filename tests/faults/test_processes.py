"""Generators and trainers that are killed, stopped, slow or late: the stream does not show it."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from bench.lab.processes import until
from tests.support.field import EXPIRY, SILENCE, Field
from tests.support.peers import CROWD

pytestmark = pytest.mark.slow

Fields = Callable[..., Field]


def test_killed(field: Fields, calm: list[str]) -> None:
    run = field()
    run.sink()
    stays, doomed = run.generator(), run.generator(stays=False)
    run.working(stays, doomed)
    doomed.send(signal.SIGKILL)
    run.gives_up(doomed)
    report = run.finish(calm)
    assert report["faults"]["generators_lost"] == 1


def test_stopped_for_longer_than_the_expiry_and_continued(field: Fields, calm: list[str]) -> None:
    run = field()
    run.sink()
    stays, stopped = run.generator(), run.generator()
    run.working(stays, stopped)
    stopped.send(signal.SIGSTOP)
    run.gives_up(stopped)
    until(lambda: False, EXPIRY + SILENCE)
    assert run.trainer.process.poll() is None
    stopped.send(signal.SIGCONT)
    assert until(lambda: stopped.output.count("found run") == 2)  # it comes back by itself
    run.finish(calm)


def test_a_late_result_is_fenced(field: Fields, calm: list[str]) -> None:
    """Alive and answering, but a lease takes it longer than the expiry: another made it since."""
    run = field()
    run.sink()
    run.working(run.generator())
    late = run.peer("late")
    run.working(late)
    report = run.finish(calm)
    assert report["faults"].get("late", 0) + report["backups"]["duplicate"] >= 1


def test_a_stuck_generator_does_not_hold_the_line(field: Fields, calm: list[str]) -> None:
    """Neither silence nor expiry can help: an idle generator is given its lease, too."""
    run = field()
    run.sink("--expiry", 3600)
    run.working(run.generator())
    run.peer("stuck").wait_for("holding back")
    faults = run.finish(calm)["faults"]
    assert not faults.keys() & {"lease_slow", "lease_silent", "lease_left"}


def test_one_at_a_tenth_of_the_speed(field: Fields, calm: list[str]) -> None:
    run = field()
    run.sink()
    quick, slow = run.generator(), run.peer("slow")
    run.working(quick, slow)
    rows = {row["pid"]: row["patches"] for row in run.finish(calm)["generators"]}
    assert 0 < rows[slow.pid] < rows[quick.pid]


def test_the_trainer_stopped_and_continued(field: Fields, calm: list[str]) -> None:
    run = field()
    run.sink()
    fleet = run.generator(), run.generator()
    run.working(*fleet)
    run.trainer.send(signal.SIGSTOP)
    for each in fleet:
        each.wait_for("left run")
    until(lambda: False, 10.0 - 2 * SILENCE)
    run.trainer.send(signal.SIGCONT)
    assert until(lambda: all(each.output.count("found run") >= 2 for each in fleet))
    run.finish(calm)


def test_down_to_nobody_and_up_again(field: Fields, calm: list[str]) -> None:
    run = field()
    run.sink()
    last = run.generator(stays=False)
    run.working(last)
    last.send(signal.SIGKILL)
    how = r"waiting for \d+ s: no generator is connected\. Start one with: python ([^;\n]*)"
    said = run.trainer.wait_for(how)[1]
    words = said.replace("THIS-HOST", "127.0.0.1").split()  # what it says is what helps
    run.scripts.append(run.start(*words, "--links", run.links))
    run.trainer.wait_for(rf"pid {run.scripts[-1].pid}\) joined: 1 generator now")
    run.finish(calm)


def test_fifty_join_in_one_second(field: Fields, calm: list[str]) -> None:
    run = field()
    run.sink()
    run.working(run.generator())
    run.peer("crowd")
    run.trainer.wait_for(f"joined: {CROWD + 1} generators now")
    assert len(run.finish(calm)["generators"]) == CROWD + 1


def test_another_runs_and_another_versions_messages(field: Fields, calm: list[str]) -> None:
    run = field()
    run.sink()
    run.working(run.generator(), run.peer("foreign"))
    faults = run.finish(calm)["faults"]
    assert faults["foreign_run"] >= 1
    assert faults["protocol_errors"] >= 1
