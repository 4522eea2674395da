"""Several trainers in a script: their batches side by side, and their positions."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pushfit
from bench.lab.processes import Script, Starter, free_port, until
from tests.support.in_step import steps

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

BASIC: dict[str, Any] = {
    "batch_size": 32, "epochs": 2, "shards": 4, "hash": True, "bind": "tcp://127.0.0.1:*",
}  # fmt: skip
Ranks = list[pushfit.BatchStream]


@contextmanager
def ranks(links: Path, world: int, generators: int = 1, **more: Any) -> Iterator[Ranks]:
    """The streams of a run's trainers, fed by one fleet."""
    with ExitStack() as stack:
        streams = [
            stack.enter_context(
                pushfit.stream("digits", links=links, world=world, rank=rank, **{**BASIC, **more})
            )
            for rank in range(world)
        ]
        addresses = [f"--connect={stream.address}" for stream in streams]
        words = (*addresses, "--links", links, "--processes", generators, "--stint", 0.5)
        command = [sys.executable, ROOT / "generator_zmq.py", *map(str, words)]
        fleet = subprocess.Popen(command)
        stack.callback(fleet.wait)
        stack.callback(fleet.terminate)
        yield streams


@pytest.fixture
def start() -> Iterator[Starter]:
    starter = Starter(uuid.uuid4().hex)
    yield starter
    starter.close()


Batch = dict[str, np.ndarray]


def beside(streams: Sequence[pushfit.BatchStream], steps: int | None = None) -> list[Batch]:
    """The next batches of all ranks, each put together from their parts."""
    loops = [stream.batches("train") for stream in streams]
    found = []
    while steps is None or len(found) < steps:
        parts = [next(loop, None) for loop in loops]
        if parts[0] is None:
            assert parts == [None] * len(parts)
            break
        found.append({n: np.concatenate([part[n] for part in parts]) for n in parts[0]})
    return found


def equal(one: Sequence[Batch], other: Sequence[Batch]) -> bool:
    return len(one) == len(other) and all(
        (a[name] == b[name]).all() for a, b in zip(one, other, strict=True) for name in a
    )


def audit(streams: Sequence[pushfit.BatchStream]) -> dict[str, Any]:
    return pushfit.audit_of_ranks([stream.report() for stream in streams])


@pytest.mark.parametrize(("before", "after", "generators"), [(4, 2, 2), (1, 4, 5), (2, 1, 1)])
def test_a_run_continues_on_another_number_of_trainers(
    digits: Path, before: int, after: int, generators: int
) -> None:
    with ranks(digits, 1, splits=("train",)) as streams:
        whole = [beside(streams), beside(streams)]
        told = audit(streams)
    with ranks(digits, before, generators, splits=("train",)) as streams:
        first = [beside(streams), beside(streams, 3)]
        states = [stream.state_dict() for stream in streams]
    with ranks(digits, after, generators, splits=("train",), state=states) as streams:
        rest = beside(streams)
        assert audit(streams) == told
    assert equal(first[0], whole[0]) and equal([*first[1], *rest], whole[1])
    assert [row["missing"] for row in told["train"]] == [0, 0]
    assert [row["padding"] for row in told["train"]] == [1, 1]  # 207 images


def test_the_state_of_one_rank_is_enough_for_the_batches(digits: Path) -> None:
    with ranks(digits, 2, splits=("train",)) as streams:
        beside(streams, 3)
        states = [stream.state_dict() for stream in streams]
    with ranks(digits, 1, splits=("train",), state=states[0]) as streams:
        last = beside(streams)
        (row,) = streams[0].report()["splits"]["train"]
    assert [part["stream_sha256"] is None for part in row["shards"]] == [False, False, True, True]
    assert row["missing"] == 0 and row["stream_sha256"] is None and len(last) == 4


class Died(Exception):
    pass


def test_a_rank_that_died_comes_back_while_the_other_waits(digits: Path) -> None:
    about = {**BASIC, "links": digits, "splits": ("train",), "world": 2}
    with ranks(digits, 1, splits=("train",)) as streams:
        whole = beside(streams)
    port = free_port()
    with pushfit.stream("digits", **about, rank=0) as waits, ExitStack() as stack:
        one = waits.batches("train")
        bind = {**about, "bind": f"tcp://127.0.0.1:{port}", "rank": 1}
        connect = f"{waits.address},tcp://127.0.0.1:{port + 2}"
        words = ("generator_zmq.py", "--connect", connect, "--links", digits, "--stint", "0.5")
        generator = Script(words, "ranks-that-come-back")
        stack.callback(generator.close)
        with suppress(Died), pushfit.stream("digits", **bind) as dies:
            other = dies.batches("train")
            first = [(next(one), next(other)) for _ in range(3)]
            state = dies.state_dict()
            raise Died
        generator.wait_for("rank 1 of 2.* the other ranks wait for it")
        with pushfit.stream("digits", **bind, state=state) as back:
            rest = list(zip(one, back.batches("train"), strict=True))
    parts = [{n: np.concatenate([a[n], b[n]]) for n in a} for a, b in [*first, *rest]]
    assert equal(parts, whole)


def test_a_rank_whose_partner_was_killed_says_so_and_continues_once_that_is_back(
    start: Starter, digits: Path, tmp_path: Path
) -> None:
    """The generators know which rank it is that they do not reach any more."""
    port = free_port()

    def rank(number: int, hold: int = 0) -> Script:
        words = ("-m", "tests.support.in_step", tmp_path, number, f"tcp://127.0.0.1:{port}")
        return start(*words, digits, hold)

    stays, dies = rank(0), rank(1, hold=12)
    addresses = [f"--connect=tcp://127.0.0.1:{port + 2 * number}" for number in range(2)]
    start("generator_zmq.py", *addresses, "--links", digits, "--stint", 0.5)
    assert until(lambda: steps(tmp_path / "rank-0.json") == 13)
    dies.send(signal.SIGKILL)
    dies.process.wait()
    stays.wait_for(
        r"rank 0 of 2 has asked for no batch for \d+ s, since it got batch 13 of epoch 1\. "
        r"A step of training waits for every rank\. "
    )
    stays.wait_for("The generators do not reach rank 1 any more: if it has ended, start it")
    assert "continues" not in stays.output
    assert "steps: 26" in rank(1).done()
    said = stays.done()
    assert "steps: 26" in said and "missing: 0, duplicate: 0" in said
    assert re.search("rank 0 of 2 continues after [0-9]+ s", said)


def test_states_that_do_not_belong_together(digits: Path) -> None:
    with ranks(digits, 2, splits=("train",)) as streams:
        beside(streams, 2)
        early = [stream.state_dict() for stream in streams]
        beside(streams, 1)
        late = [stream.state_dict() for stream in streams]
    given = {**BASIC, "links": digits, "splits": ("train",)}
    with pytest.raises(pushfit.ConfigError, match="different positions: epoch 1, 2 batches of tr"):
        pushfit.stream("digits", **given, state=[early[0], late[1]])
    other = {**early[1], "settings": {**early[1]["settings"], "seed": "9"}}
    with pytest.raises(pushfit.ConfigError, match="not of one run: seed is '0' in the first and"):
        pushfit.stream("digits", **given, state=[early[0], other])
    with pytest.raises(pushfit.ConfigError, match="state is an empty list"):
        pushfit.stream("digits", **given, state=[])
    with pytest.raises(pushfit.ConfigError, match="the state is of a stream with shards = '4'"):
        pushfit.stream("digits", **{**given, "shards": 2}, state=early)


def test_two_trainers_with_one_number_are_told(digits: Path) -> None:
    with ExitStack() as stack:
        streams = [
            stack.enter_context(pushfit.stream("digits", links=digits, world=2, rank=0, **BASIC))
            for _ in range(2)
        ]
        connect = ",".join(stream.address for stream in streams)
        words = ("generator_zmq.py", "--connect", connect, "--links", digits, "--stint", "0.5")
        generator = Script(words, "ranks-that-are-one")
        stack.callback(generator.close)
        generator.wait_for("both say that they are rank 0 of 2: give each trainer its own number")
