"""What networks do to hosts: cut, divided, lossy, slow, without power, with clocks that are off."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from bench.lab.hosts import Host
from bench.lab.processes import until
from tests.support.field import Field

pytestmark = pytest.mark.slow

Fields = Callable[..., Field]


@pytest.mark.parametrize("how", [Host.cut, Host.partition])
def test_cut_off_and_healed(field: Fields, calm: list[str], how: Callable[[Host], None]) -> None:
    run = field("cpu-a", "cpu-b")
    assert run.lab is not None
    run.sink()
    far = run.lab["cpu-b"]
    near, away = run.generator(run.lab["cpu-a"]), run.generator(far)
    run.working(near, away)
    how(far)
    run.gives_up(away)
    away.wait_for("left run")  # both sides have noticed
    far.heal()
    assert until(lambda: away.output.count("found run") == 2)
    begun = len(away.lines)
    assert until(lambda: any("lease " in line for _, line in away.lines[begun:]))
    run.finish(calm)


def test_one_packet_in_a_hundred_is_lost(field: Fields, calm: list[str]) -> None:
    run = field("cpu-a", "cpu-b")
    assert run.lab is not None
    run.sink()
    for name in ("cpu-a", "cpu-b"):
        run.lab[name].lose(0.01)
        run.generator(run.lab[name])
    run.working(*run.scripts)
    run.finish(calm)
    assert run.lab["gpu"].dropped() > 0


def test_a_slow_link(field: Fields, calm: list[str]) -> None:
    """A lease of 24 KB takes a fifth of a second on it, forty times as long as to make it."""
    run = field("cpu-a", "cpu-b")
    assert run.lab is not None
    run.sink()
    run.lab["cpu-b"].slow_link("1mbit")
    quick, slow = run.generator(run.lab["cpu-a"]), run.generator(run.lab["cpu-b"])
    run.working(quick, slow)
    rows = {row["pid"]: row["patches"] for row in run.finish(calm)["generators"]}
    assert rows[slow.pid] < rows[quick.pid]


@pytest.mark.parametrize("compress", ["none", "zstd", "auto"])
def test_a_link_that_is_the_limit_is_named_and_compressing_changes_no_pixel(
    field: Fields, calm: list[str], compress: str
) -> None:
    run = field("cpu-a")
    assert run.lab is not None
    run.sink("--compress", compress)
    run.lab["cpu-a"].slow_link("20mbit")
    run.working(run.generator(run.lab["cpu-a"]))
    told = run.finish(calm)
    assert told["advice_figures"]["limit"] == "network", told["advice"]
    assert "MB/s on eth0" in told["advice"]
    (row,) = told["generators"]
    if compress == "none":
        assert row["bytes_on_the_wire"] == row["bytes"]
        assert 1.5e6 < told["advice_figures"]["bytes_per_second"] < 2.6e6
    else:
        assert row["bytes_on_the_wire"] < row["bytes"]


def test_clocks_that_are_hours_off(field: Fields, calm: list[str]) -> None:
    """One generator's clocks, wall and monotonic, are ten hours ahead of the rest of the fleet."""
    run = field("cpu-a", clocks={"cpu-a": 36_000})
    assert run.lab is not None
    look = (sys.executable, "-c", "import time; print(time.time(), time.monotonic())")
    said = subprocess.run([*run.lab["cpu-a"].inside, *look], capture_output=True, check=True)
    wall, steady = map(float, said.stdout.split())
    assert wall - time.time() > 35_000
    assert steady - time.monotonic() > 35_000
    run.sink()
    run.working(run.generator(run.lab["cpu-a"]), run.generator(run.lab["gpu"]))
    report = run.finish(calm)
    assert all(row["patches"] > 0 for row in report["generators"])


def test_every_generator_of_a_host_dies_at_once(field: Fields, calm: list[str]) -> None:
    run = field("cpu-a", "cpu-b")
    assert run.lab is not None
    run.sink()
    doomed = [run.generator(run.lab["cpu-b"], stays=False) for _ in range(3)]
    run.working(run.generator(run.lab["cpu-a"]), *doomed)
    for each in doomed:
        each.send(signal.SIGKILL)
    for each in doomed:
        run.gives_up(each)
    assert run.finish(calm)["faults"]["generators_lost"] == len(doomed)


def test_a_host_loses_its_power(field: Fields, calm: list[str]) -> None:
    """No connection is closed: nothing tells the trainer but the silence."""
    run = field("cpu-a", "cpu-b")
    assert run.lab is not None
    run.sink()
    doomed = [run.generator(run.lab["cpu-b"], stays=False) for _ in range(2)]
    run.working(run.generator(run.lab["cpu-a"]), *doomed)
    run.lab["cpu-b"].cut()
    for each in doomed:
        each.send(signal.SIGKILL)
    for each in doomed:
        run.gives_up(each)
    run.finish(calm)
