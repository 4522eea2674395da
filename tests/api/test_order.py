"""Which records a stream in a script visits, and in which order: by the stream's own settings."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import pushfit
from tests.support.own_tasks import numbers, write_task

BIND = "tcp://127.0.0.1:*"


def numbers_stream(task: Path, **more: Any) -> pushfit.BatchStream:
    options = {"batch_size": 6, "epochs": 3, "bind": BIND, "hash": True, "generators": 2}
    return pushfit.stream(task, links=task.parent, **{**options, **more})


def read(stream: pushfit.BatchStream) -> list[list[int]]:
    """The records of each training epoch, in the order in which they came."""
    return [
        [number for batch in epoch["train"] for number in batch["n"].tolist()] for epoch in stream
    ]


@pytest.fixture
def task(tmp_path: Path) -> Path:
    return write_task(tmp_path / "numbers_task.py", numbers())


def test_without_shuffling_each_epoch_has_the_natural_order(task: Path) -> None:
    with numbers_stream(task, shuffle=False, lease_bytes="8") as stream:
        assert read(stream) == [list(range(20))] * 3
    with numbers_stream(task) as stream:
        shuffled = read(stream)
    assert [sorted(epoch) for epoch in shuffled] == [list(range(20))] * 3
    assert len({tuple(epoch) for epoch in shuffled}) == 3


def test_a_position_in_the_natural_order_continues_there(task: Path) -> None:
    with numbers_stream(task, shuffle=False) as stream:
        batches = stream.batches()
        assert [next(batches)["n"].tolist() for _ in range(2)][1] == list(range(6, 12))
        state = json.loads(json.dumps(stream.state_dict()))
    with numbers_stream(task, shuffle=False, state=state) as stream:
        assert next(stream.batches())["n"].tolist() == list(range(12, 18))
    with pytest.raises(pushfit.ConfigError, match=r"a stream with shuffle = 'no', .* has 'yes'"):
        numbers_stream(task, state=state)
    del state["settings"]["shuffle"]  # as of a version without this setting
    with pytest.raises(pushfit.ConfigError, match=r"a stream with shuffle = 'yes', .* has 'no'"):
        numbers_stream(task, state=state, shuffle=False)


def test_the_natural_order_and_balance_are_refused_together(task: Path) -> None:
    with pytest.raises(pushfit.ConfigError, match=r"--no-shuffle keeps .*: leave one of them out"):
        numbers_stream(task, shuffle=False, balance=True)


WEIGHED = """
def scan(self, links):
    from pushfit import mixture

    records = tuple(Record(f"{number:03}") for number in range(COUNT))
    sources = ["few" if number < 4 else "many" for number in range(COUNT)]
    weights = mixture(sources, {"few": 1, "many": 1})
    groups = [number % 5 for number in range(COUNT)]
    return DataSet((), {"train": records}, weights=weights, groups=groups)
"""


@pytest.fixture
def weighed(tmp_path: Path) -> Path:
    return write_task(tmp_path / "weighed_task.py", numbers(WEIGHED))


def test_a_loop_sees_the_shares_of_a_mixture_for_any_fleet(weighed: Path) -> None:
    hashes = []
    for fleet in (1, 2):
        with numbers_stream(weighed, generators=fleet, lease_bytes="8") as stream:
            epochs = read(stream)
        hashes.append([row["stream_sha256"] for row in stream.report()["splits"]["train"]])
        for numbers_seen in epochs:
            assert sum(number < 4 for number in numbers_seen) == 10  # a half, of 4 records of 20
            assert all(numbers_seen.count(number) in (2, 3) for number in range(4))
    assert hashes[0] == hashes[1] and len(set(hashes[0])) == 3


def test_a_position_in_a_stream_with_weights_continues_there(weighed: Path) -> None:
    with numbers_stream(weighed, generators=1) as stream:
        batches = (batch["n"].tolist() for epoch in stream for batch in epoch["train"])
        for _ in range(6):  # four are an epoch
            next(batches)
        state = json.loads(json.dumps(stream.state_dict()))
        after = list(batches)
    assert len(state["visiting"]) == 64  # a digest, whatever the number of records
    with numbers_stream(weighed, generators=1, state=state) as stream:
        assert [batch["n"].tolist() for epoch in stream for batch in epoch["train"]] == after
    assert len(after) == 6


def test_groups_come_together_by_weights_as_well(weighed: Path) -> None:
    with numbers_stream(weighed, shuffle_groups=1, mix_visits=0) as stream:
        for epoch in read(stream):
            came = [number % 5 for number in epoch]
            assert sum(one != other for one, other in pairwise(came)) == 4
            assert sum(number < 4 for number in epoch) == 10
        state = stream.state_dict()
    with pytest.raises(pushfit.ConfigError, match=r"with shuffle_groups = '1', .* has '0'"):
        numbers_stream(weighed, state=state)


def test_settings_that_do_not_suit_weights_and_groups_are_refused(
    task: Path, weighed: Path
) -> None:
    with pytest.raises(pushfit.DataError, match=r"has weights, .*: leave --balance out, or let"):
        numbers_stream(weighed, balance=True)
    with pytest.raises(pushfit.DataError, match=r"--shuffle-groups 2 .* has no groups: let scan"):
        numbers_stream(task, shuffle_groups=2)
    with pytest.raises(pushfit.ConfigError, match=r"--no-shuffle keeps .*: leave one of them out"):
        numbers_stream(weighed, shuffle_groups=2, shuffle=False)


def test_a_stream_without_weights_says_nothing_of_them(task: Path) -> None:
    with numbers_stream(task, epochs=1) as stream:
        list(stream.batches())
        assert "visiting" not in stream.state_dict()


SPOILED = """
def decode(self, data, record):
    from pushfit.errors import BadRecord

    if record.path == "002":
        raise BadRecord("it is spoiled")
    return int(record.path)
"""


def test_a_bad_record_is_replaced_as_it_is_without_weights(weighed: Path, tmp_path: Path) -> None:
    spoiled = write_task(tmp_path / "spoiled_task.py", numbers(WEIGHED + SPOILED))
    with numbers_stream(weighed) as stream:
        whole = read(stream)
    with numbers_stream(spoiled) as stream:
        replaced = read(stream)
    assert replaced == [[number + (number == 2) for number in epoch] for epoch in whole]
