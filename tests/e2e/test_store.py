"""sink_zmq.py --out: killed, out of room, interrupted, and gone on with."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.lab.processes import Script, Starter, free_port, until
from pushfit.store import layout
from pushfit.store.shard import Shard
from tests.support.reports import untold
from tests.support.stores import RECORDS, SHARDS, Big, files, splits


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Big:
    big = Big(tmp_path_factory.mktemp("big"))
    big.spoil(4, 6, 11)
    return big


@pytest.fixture(scope="module")
def whole(big: Big) -> Path:
    """The stream, stored without interruption."""
    starter, out = Starter(uuid.uuid4().hex), big.folder / "whole"
    try:
        assert "Which records are bad, and why: " in big.store(starter, out).done()
    finally:
        starter.close()
    assert shards(out) == SHARDS
    return out


def shards(out: Path) -> int:
    return len(layout.shard_paths(out))


def interrupted(script: Script) -> str:
    script.send(signal.SIGINT)
    return script.done(130, seconds=30.0)


def assert_same(out: Path, whole: Path) -> None:
    assert splits(out) == splits(whole)
    assert files(out) == files(whole)
    assert not list(out.glob(".*.tmp*"))


@pytest.mark.slow
def test_killed_at_any_instant_it_goes_on_to_the_same_files(
    start: Starter, big: Big, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    instants = random.Random(7)
    kills, sink = 0, big.store(start, out)
    while True:
        had = shards(out)
        until(lambda had=had, sink=sink: shards(out) > had or sink.process.poll() is not None)  # type: ignore[misc]
        time.sleep(instants.uniform(0, 0.4))
        if sink.process.poll() is not None:
            break
        sink.send(signal.SIGKILL)
        if sink.finish() == 0:  # it had ended a moment before
            break
        assert start.no_orphans()
        kills += 1
        store = layout.read(out)
        for path in layout.shard_paths(out):  # whatever has its name is whole
            split, epoch, number = path.stem.split("-")
            with Shard(out, store, split, int(epoch), int(number)) as shard:
                shard.check()
        sink = big.again(start, out)
    sink.done()
    assert kills >= 3
    assert_same(out, whole)
    assert "is complete: 2 epoch(s)" in big.again(start, out).done()


@pytest.mark.slow
def test_paths_are_those_of_what_was_drawn(whole: Path) -> None:
    store = layout.read(whole)
    drawn, bad = [], 0
    for number in range(store.splits["train"].shards):
        with Shard(whole, store, "train", 0, number) as shard:
            paths = shard.paths()[::40]
            drawn += paths
            bad += len(shard.bad)
            instead = {paths[visit - shard.first] for visit in shard.bad}
            assert instead <= {"train/even/008.txt", "train/odd/013.txt"}
    names = [f"train/{('even', 'odd')[n % 2]}/{n:03}.txt" for n in range(RECORDS)]
    substituted = {names[4]: names[8], names[6]: names[8], names[11]: names[13]}
    assert sorted(drawn) == sorted(substituted.get(name, name) for name in names)
    assert bad == len(substituted)


def allow_one(hold: Path) -> bool:
    """Let the generators read one more record, if they have read all that they might."""
    if not any(hold.iterdir()):
        (hold / "one").touch()
    return False


@pytest.mark.slow
def test_ctrl_c_in_every_state(start: Starter, big: Big, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    waiting = big.store(start, out, generators=0)
    waiting.wait_for("listening at")
    said = interrupted(waiting)  # "at once" where a busy machine was not done in its time
    assert "Interrupted: 0.00 GB are stored" in said or "ended at once" in said
    hold = big.links / "hold"
    hold.mkdir()
    again = big.again(start, out, "--generators", 1)
    assert until(lambda: shards(out) >= 2 or allow_one(hold)), again.output
    said = interrupted(again)
    assert f"  python sink_zmq.py --resume --out {out}" in said or "ended at once" in said
    reading = big.again(start, out, "--generators", 1)
    reading.wait_for("storing ")
    interrupted(reading)
    shutil.rmtree(hold)
    big.again(start, out, "--generators", 2).done()
    assert_same(out, whole)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=150m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("only root may mount a file system that is full")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_pauses_it(start: Starter, big: Big, whole: Path, small_disk: Path) -> None:
    out = small_disk / "out"
    sink = big.store(start, out)
    full = r"paused: cannot write .*train-0001-00000\.h5 .*the disk is full: .*continues by itself"
    sink.wait_for(full)
    assert "storing 0.28 GB" in sink.output and "0.16 GB are free" in sink.output
    assert not list(out.glob(".*.tmp*"))
    interrupted(sink)
    sink = big.again(start, out)
    sink.wait_for(full)
    assert sink.process.poll() is None and shards(out) == 4
    subprocess.run(["mount", "-o", "remount,size=1g", str(small_disk)], check=True)
    assert "there is room again" in sink.done()
    assert_same(out, whole)


@pytest.mark.slow
def test_one_fleet_serves_a_sink_and_then_another_and_a_trainer_beside(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    """Each has a run of its own; what they store and hash is the same."""
    flags = ("--task", "camera", "--links", photos, "--patch", 32, "--epochs", 2)
    port = free_port()
    fleet = [start.generator(photos, port, "--stay") for _ in "12"]
    beside = start.trainer(
        photos, *flags[2:], "--hash", "--generators", 1, "--out", tmp_path / "run"
    )
    for name in "ab":
        bound = ("--bind", f"tcp://127.0.0.1:{port}", "--out", tmp_path / name)
        start("sink_zmq.py", *flags, *bound).done()
    beside.done()
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert splits(tmp_path / "a") == splits(tmp_path / "b") == untold(splits(tmp_path / "run"))
    for each in fleet:
        assert each.process.poll() is None
        each.send(signal.SIGTERM)
        each.finish()
