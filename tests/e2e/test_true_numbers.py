"""What a run says of itself is what it did: trained, stopped, diverged, held out, replaced."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.lab.processes import ROOT, Starter
from tests.support.idx_files import write_digits
from tests.support.own_tasks import write_task
from tests.support.photos import write_photos

pytestmark = pytest.mark.slow

# A task whose model's `fit` misbehaves as HOW says.
TASK = """
import numpy as np

from pushfit.tasks.base import ArraySpec, DataSet, Record, Task


class Odd(Task):
    name = "odd"
    row = {"patches_per_visit": 1, "batch_size": 8, "tensorboard": False}
    loss = "mse"

    def scan(self, links):
        def of(split):
            return tuple(Record(f"{split}/{n:03}", 0, 0) for n in range(64))
        return DataSet(("all",), {"train": of("train"), "val": of("val")})

    def arrays(self):
        return ArraySpec("x", "float32", (4,)), ArraySpec("y", "float32", (1,))

    def read(self, links, record):
        return b""

    def decode(self, data, record):
        if HOW == "raises" and not record.path.endswith("7"):
            return [][0]
        return None

    def sample(self, item, record, split, patch, rng):
        x = rng.random(4, np.float32)
        return {"x": x, "y": x[:1]}

    def to_fit(self, batch):
        return batch["x"], batch["y"]

    def build_model(self, classes):
        import keras

        class Model(keras.Model):
            def __init__(self, **named):
                super().__init__(**named)
                self.dense = keras.layers.Dense(1)

            def call(self, x):
                return self.dense(x)

            def fit(self, x, **named):
                callbacks = named.pop("callbacks")
                if HOW == "stops":
                    class Stop(keras.callbacks.Callback):
                        def on_epoch_end(self, epoch, logs=None):
                            self.model.stop_training = epoch == 1
                    callbacks.callbacks.append(Stop())
                    callbacks.callbacks[-1].set_model(self)
                if HOW == "drops":  # as a distribution strategy did: pulled, and not trained on
                    x = x.skip(3)
                    named["steps_per_epoch"] -= 3
                return super().fit(x, callbacks=callbacks, **named)

        return Model(name="odd")
"""


def run(start: Starter, tmp_path: Path, how: str, *words: object, code: int = 0) -> str:
    task = write_task(tmp_path / f"{how}.py", f'HOW = "{how}"\n' + TASK)
    flags = ("--task", task, "--links", tmp_path, "--generators", 1, "--epochs", 4)
    flags = (*flags, "--bind", "tcp://127.0.0.1:0", "--out", tmp_path / f"run-{how}")
    return start("train_zmq.py", *flags, *words).done(code)


def report(tmp_path: Path, how: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / f"run-{how}" / "report.json").read_text())
    return found


def test_a_run_that_its_model_stops_is_clean_and_says_so(start: Starter, tmp_path: Path) -> None:
    said = run(start, tmp_path, "stops")
    assert "Up to where training was stopped, every sample was handed to fit" in said
    assert "Training was stopped after 2 of 4 epochs" in said
    found = report(tmp_path, "stops")
    assert found["ended"] == "stopped"
    rows = [(row["epoch"], row["trained"]) for row in found["splits"]["train"]]
    assert rows == [(1, 64), (2, 64)]


def test_steps_that_were_not_trained_are_a_fault(start: Starter, tmp_path: Path) -> None:
    said = run(start, tmp_path, "drops", "--epochs", 1, code=1)
    assert "NOT every sample that was handed to fit was trained on:" in said
    assert "train epoch 1: 40 of " in said
    assert report(tmp_path, "drops")["splits"]["train"][0]["trained"] == 40


def test_a_task_whose_code_raises_for_most_records_ends_the_run(
    start: Starter, tmp_path: Path
) -> None:
    said = run(start, tmp_path, "raises", code=2)
    assert "7 bad records of 128, and 6 are allowed without --max-bad (5%, and at least 5)." in said
    assert "IndexError" in said
    assert "(--max-bad 100%: any number)" in said


def test_a_loss_that_is_not_a_number(start: Starter, tmp_path: Path) -> None:
    links, out = write_digits(tmp_path / "links", 300), tmp_path / "run"
    write_digits(links, 20, name="t10k")
    flags = ("--task", "digits", "--generators", 1, "--epochs", 2, "--learning-rate", 1e30)
    flags = (*flags, "--optimizer", "sgd", "--model", "resnet18", "--batch-size", 32)
    flags = (*flags, "--bind", "tcp://127.0.0.1:0", "--no-tensorboard")
    said = start.trainer(links, *flags, "--out", out).done(2)
    assert "error: the loss is not a number any more (loss nan at epoch 1, batch " in said
    assert "lower --learning-rate (it is 1e+30 now)" in said and "--on-nan continue" in said
    assert not (out / "last.keras").exists()
    on = tmp_path / "on"
    words = ("--on-nan", "continue", "--held-out", 0, "--out", on)
    said = start.trainer(links, *flags, *words).done()
    assert "Best held-out" not in said
    metrics = json.loads((on / "report.json").read_text())["metrics"]
    assert metrics["monitor"] == "accuracy"
    predict = start("predict.py", "--run", on, "--data", links, "--out", tmp_path / "s.csv")
    assert "has weights that are not numbers" in predict.done(2)
    assert not (tmp_path / "s.csv").exists()
    serve = start("serve.py", "--run", on, "--port", 0)
    assert "has weights that are not numbers" in serve.done(2)


def test_where_nothing_is_held_out_the_training_is_what_was_measured(
    start: Starter, tmp_path: Path
) -> None:
    links, out = write_photos(tmp_path / "links", val=0), tmp_path / "run"
    flags = ("--patch", 32, "--epochs", 2, "--generators", 1, "--held-out", 0, "--out", out)
    said = start.trainer(links, *flags).done()
    assert "Best training accuracy: " in said
    assert "(nothing was held out to validate on)" in said
    assert "validation: none" in said
    found = json.loads((out / "report.json").read_text())
    assert found["metrics"]["monitor"] == "accuracy"
    assert found["faults"] == {}
    assert found["started"] < found["ended_at"] and found["started"].endswith("+00:00")
    assert {"keras", "tensorflow", "numpy", "python", "pushfit"} <= found["versions"].keys()
    with (out / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert "val_accuracy" not in rows[0]
    # TensorBoard has what the README names.
    program = f"""
from pathlib import Path
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
names = set()
for folder in {{path.parent for path in Path({str(out / "tensorboard")!r}).rglob("events*")}}:
    found = EventAccumulator(str(folder)); found.Reload()
    names |= set(found.Tags()["tensors"]) | set(found.Tags()["scalars"])
print(sorted(names))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    for name in ("patches_per_second", "stall_share", "generators", "learning_rate", "accuracy"):
        assert f"epoch_{name}'" in done.stdout, done.stdout + done.stderr
