"""A task whose arrays, batches and model follow from the data, wherever the data is."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.lab.processes import Starter
from tests.support.own_tasks import plain, write_task
from tests.support.reports import hashes, report_of

pytestmark = pytest.mark.slow

FACTS = """
def scan(self, links):
    def records(split):
        return tuple(Record(f"{split}/{number:02}", 0, 0) for number in range(32))

    columns = int((links / "columns").read_text())
    return DataSet(("all",), {s: records(s) for s in ("train", "val")}, facts={"columns": columns})

def scan_test(self, links):
    return DataSet(("all",), {"test": tuple(Record(f"t/{i}", 0, 0) for i in range(3))})

def arrays(self):
    return ArraySpec("x", "float32", (self.facts["columns"],)), ArraySpec("y", "float32", (1,))

def sample(self, item, record, split, patch, rng):
    x = rng.random(self.facts["columns"], np.float32)
    return {"x": x, "y": x[:1]}

def to_fit(self, batch):
    assert batch["x"].shape[1] == self.facts["columns"]
    return batch["x"], batch["y"]

def build_model(self, classes):
    import keras

    x = keras.Input((self.facts["columns"],))
    return keras.Model(x, keras.layers.Dense(1, name="out")(x), name="net")
"""
LOCAL = ("--batch-size", 8, "--bind", "tcp://127.0.0.1:0")


def write(folder: Path, columns: int) -> Path:
    folder.mkdir()
    (folder / "columns").write_text(str(columns))
    return folder


def test_a_trainer_without_the_data_is_told_by_its_generators(
    start: Starter, tmp_path: Path
) -> None:
    task = ("--task", write_task(tmp_path / "mytask.py", plain(FACTS)))
    five, six = write(tmp_path / "five", 5), write(tmp_path / "six", 6)
    here, there = tmp_path / "here.json", tmp_path / "there.json"
    flags = ("--null", "--hash", *task, *LOCAL, "--epochs", 1)
    start("sink_zmq.py", *flags, "--links", five, "--generators", 1, "--report", here).done()
    sink = start("sink_zmq.py", *flags, "--generators", 0, "--report", there)
    first = start.generator(five, sink.port, *task)
    sink.done()
    first.done()
    assert hashes(report_of(there)) == hashes(report_of(here))

    sink = start.sink(five, *task, "--generators", 0)
    wrong = start.generator(six, sink.port, *task)
    said = wrong.done(3)
    assert "the fact 'columns' is 6 there, 5 in this run" in said
    start.generator(five, sink.port, *task)
    sink.done()


def test_the_facts_stay_with_the_run_and_with_a_store(start: Starter, tmp_path: Path) -> None:
    task = ("--task", write_task(tmp_path / "mytask.py", plain(FACTS)))
    links, out, store = write(tmp_path / "links", 5), tmp_path / "run", tmp_path / "store"
    flags = (*task, "--links", links, "--generators", 1, *LOCAL)
    start("sink_zmq.py", *flags, "--epochs", 2, "--out", store).done()
    quiet = ("--no-tensorboard", "--out")
    start("train_zmq.py", "--from", store, *task, "--batch-size", 8, *quiet, out).done(seconds=200)
    live = tmp_path / "live"
    start("train_zmq.py", *flags, "--val-from", store, "--epochs", 1, *quiet, live).done(
        seconds=200
    )
    start("train_zmq.py", "--resume", *quiet, live, "--epochs", 2, "--generators", 1).done(
        seconds=200
    )
    table = tmp_path / "p.csv"
    more = ("--data", tmp_path, "--out", table, "--generators", 1)
    start("predict.py", "--run", out, *more).done(seconds=200)
    assert len(table.read_text().splitlines()) == 4
