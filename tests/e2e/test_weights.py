"""Weights and groups of a data set, where the trainer or the sink is without the data."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import pushfit
from bench.lab.processes import Script, Starter, free_port
from pushfit.runs import checkpoint_state
from tests.support.own_tasks import numbers, write_task
from tests.support.reports import hashes, report_of
from tests.support.stores import files, splits

pytestmark = pytest.mark.slow

# The folder of links has the weights, so that a host without it has no data.
WEIGHED = """
def scan(self, links):
    weights = np.loadtxt(links / "weights.txt")
    records = tuple(Record(f"{number:03}") for number in range(len(weights)))
    groups = [number // 4 for number in range(len(weights))]
    return DataSet((), {"train": records, "val": records[:5]}, weights=weights, groups=groups)
"""
HEAVY = 7  # the record that half of the visits go to
FLAGS = ("--batch-size", 6, "--shuffle-groups", 2, "--bind", "tcp://127.0.0.1:0")


@pytest.fixture
def task(tmp_path: Path) -> Path:
    return write_task(tmp_path / "weighed.py", numbers(WEIGHED))


def write_links(links: Path, heavy: float = 19.0) -> Path:
    links.mkdir()
    weights = [heavy if number == HEAVY else float(number > 0) for number in range(21)]
    (links / "weights.txt").write_text("\n".join(map(str, weights)))
    return links


def training(stream: pushfit.BatchStream) -> Iterator[list[int]]:
    return (batch["n"].tolist() for epoch in stream for batch in epoch["train"])


def test_a_trainer_without_the_data_gets_them_from_the_first_generator(
    start: Starter, task: Path, tmp_path: Path
) -> None:
    links, other = write_links(tmp_path / "links"), write_links(tmp_path / "other", 18.0)
    here, there = tmp_path / "here.json", tmp_path / "there.json"
    flags = ("--null", "--hash", "--task", task, *FLAGS, "--epochs", 3)
    own = start("sink_zmq.py", *flags, "--links", links, "--generators", 2, "--report", here)
    assert "Weights   0 for 1 training record: never visited" in own.done()
    sink = start("sink_zmq.py", *flags, "--report", there)
    first = start.generator(links, sink.port, "--task", task)
    assert "Weights   0 for 1 training record: never visited" in sink.done()
    first.done()
    assert hashes(report_of(there)) == hashes(report_of(here))

    sink = start.sink(links, "--task", task, *FLAGS)
    said = start.generator(other, sink.port, "--task", task).done(3)
    assert "scan() gave its training records other weights or groups there" in said


def test_a_loop_without_the_data_is_resumed_before_a_generator_has_come(
    start: Starter, task: Path, tmp_path: Path
) -> None:
    links, other = write_links(tmp_path / "links"), write_links(tmp_path / "other", 18.0)
    options = {"batch_size": 6, "epochs": 3, "shuffle_groups": 2, "bind": "tcp://127.0.0.1:0"}
    with pushfit.stream(task, links=links, generators=1, **options) as stream:
        batches = training(stream)
        for _ in range(6):
            next(batches)
        state = json.loads(json.dumps(stream.state_dict()))
        rest = list(batches)
    assert sum(batch.count(HEAVY) for batch in rest) > 10

    port = free_port()
    wrong = start.generator(other, port, "--task", task)
    right: list[Script] = []

    def help_out() -> None:
        """When the one with other weights was sent away, start one with those of the run."""
        wrong.wait_for("other weights or groups")
        right.append(start.generator(links, port, "--task", task))

    helper = threading.Thread(target=help_out)
    helper.start()
    bind = f"tcp://127.0.0.1:{port}"
    with pushfit.stream(task, state=state, timeout=60.0, **{**options, "bind": bind}) as stream:
        assert list(training(stream)) == rest
        assert stream.state_dict()["visiting"] == state["visiting"]
    helper.join()
    right[0].done()
    wrong.done(3)


def test_a_sink_without_the_data_stores_and_resumes_by_weights(
    start: Starter, task: Path, tmp_path: Path
) -> None:
    links, whole, parts = write_links(tmp_path / "links"), tmp_path / "whole", tmp_path / "parts"
    flags = ("--task", task, *FLAGS)
    start(
        "sink_zmq.py", *flags, "--links", links, "--generators", 1, "--epochs", 2, "--out", whole
    ).done()
    for more in (("--epochs", 1), ("--epochs", 2, "--resume")):
        sink = start("sink_zmq.py", *flags, *more, "--out", parts)
        generator = start.generator(links, sink.port, "--task", task)
        sink.done()
        generator.done()
    assert splits(parts)["train"][1]["seen"] == 21
    same = {name: each for name, each in files(whole).items() if name.endswith(".h5")}
    assert len(same) == 3
    assert {name: each for name, each in files(parts).items() if name in same} == same
    store = json.loads((parts / "store.json").read_text())
    assert len(store["visiting"]) == 64

    # What is stored is replayed in its order, which needs no weights.
    with pushfit.stream(from_=str(whole), batch_size=6, task=task) as stream:
        came = [number for batch in next(iter(stream))["train"] for number in batch["n"].tolist()]
    assert came.count(HEAVY) in (10, 11) and 0 not in came and len(came) == 21


MODEL = """
def build_model(self, classes):
    import keras

    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="out")], name="net")
"""


def test_a_training_without_the_data_is_resumed(start: Starter, tmp_path: Path) -> None:
    links, out = write_links(tmp_path / "links"), tmp_path / "run"
    task = write_task(tmp_path / "weighed.py", numbers(WEIGHED + MODEL))
    quiet = ("--task", task, *FLAGS, "--no-tensorboard", "--out", out)
    for more in (("--epochs", 1), ("--epochs", 2, "--resume")):
        trainer = start("train_zmq.py", *quiet, *more)
        generator = start.generator(links, trainer.port, "--task", task)
        assert "exactly once" in trainer.done(seconds=200)
        generator.done()
    rows = json.loads((out / "report.json").read_text())["splits"]["train"]
    assert [row["seen"] for row in rows] == [21, 21]
    state = checkpoint_state.read(out / checkpoint_state.LAST)
    assert len(str(state.visiting)) == 64
    changed = start("train_zmq.py", *quiet, "--resume", "--epochs", 3, "--shuffle-groups", 3)
    assert "--shuffle-groups was 2 in the run in" in changed.done(2)
