"""Which records a stream in a script visits, and in which order: by the stream's own settings."""

from __future__ import annotations

import json
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
