"""Weights of records, from the file with the task to the batches of a loop."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import pushfit

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

BASIC: dict[str, Any] = {"batch_size": 4, "epochs": 50, "bind": "tcp://127.0.0.1:*"}
WEIGHTS = (3, 0, 1, 1, 0.5, 0.5, 1, 1)
TASK = f"""
from pushfit import ArraySpec, DataSet, Record, Task


class Weighted(Task):
    name = "weighted"
    loss = "mse"

    def scan(self, links):
        (links / "data").stat()
        records = tuple(Record(f"{{number}}") for number in range(8))
        return DataSet((), {{"train": records, "val": records[:2]}}, weights={WEIGHTS})

    def arrays(self):
        return (ArraySpec("number", "int32", ()),)

    def read(self, links, record):
        return record.path

    def decode(self, data, record):
        return int(data)

    def sample(self, item, record, split, patch, rng):
        return {{"number": item}}

    def to_fit(self, batch):
        return batch["number"], batch["number"]
"""


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "weighted.py"
    path.write_text(TASK)
    (tmp_path / "data").touch()
    return path


def numbers(stream: Iterable[pushfit.Epoch]) -> list[list[int]]:
    """The records of the training batches that are left, epoch by epoch."""
    return [[int(n) for batch in epoch["train"] for n in batch["number"]] for epoch in stream]


def opened(task: Path, **more: Any) -> pushfit.BatchStream:
    """A stream of one local generator."""
    return pushfit.stream(task, **{**BASIC, "links": task.parent, "generators": 1, **more})


def test_a_loop_sees_each_record_as_often_as_its_weight_says(task: Path) -> None:
    with opened(task) as stream:
        epochs = numbers(stream)
    assert [len(epoch) for epoch in epochs] == [8] * 50
    came = Counter(n for epoch in epochs for n in epoch)
    assert {n: came[n] for n in (0, 1, 2)} == {0: 150, 1: 0, 2: 50}
    assert came[4] + came[5] == 50 and min(came[4], came[5]) > 10
    with opened(task, generators=2) as stream:
        two = iter(stream)
        batches = next(two)["train"]
        first = [int(n) for n in next(batches)["number"]]
        state = stream.state_dict()
    with opened(task, state=state) as stream:
        rest = numbers(stream)
    assert [first + rest[0], *rest[1:]] == epochs


def test_balance_and_weights_are_refused_together(task: Path) -> None:
    with pytest.raises(pushfit.DataError, match="weights for its records, and --balance"):
        opened(task, balance=True)


def test_a_trainer_without_the_data_continues_with_the_weights_of_the_state(task: Path) -> None:
    with opened(task, epochs=4) as stream:
        epochs = iter(stream)
        assert len(list(next(epochs)["train"])) == 2
        state = stream.state_dict()
        left = numbers(epochs)
    assert len(state["weights"]) < 100  # packed
    elsewhere = {**BASIC, "epochs": 4}  # where the data is not
    broken = {**state, "weights": state["weights"][:8]}
    with pytest.raises(pushfit.DataError, match="the data set cannot be used: it"):
        pushfit.stream(task, **elsewhere, state=broken)
    with pushfit.stream(task, **elsewhere, state=state) as stream:
        command = [sys.executable, ROOT / "generator_zmq.py", "--connect", stream.address]
        with subprocess.Popen([*command, "--links", task.parent, "--task", task]) as generator:
            following = iter(stream)
            next(following)  # its training batches were used
            assert numbers(following) == left
            stream.close()
            assert generator.wait(60) == 0
