"""One process that trains on several devices: parts of the CPU, which Keras takes for devices."""

from __future__ import annotations

import json
import os
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.lab.processes import Starter
from tests.support import pages
from tests.support.own_tasks import NO_TARGET, odd, write_task
from tests.support.reports import hashes, report_of
from tests.support.run_files import history, variables

pytestmark = pytest.mark.slow

PARTS = pages.CPU_PARTS.partition("XLA_FLAGS=")[2]
BACK_ENDS = ("tensorflow", "jax")
CLEAN = "Every sample was handed to fit and trained on exactly once."
FLAGS = (
    *("--generators", 1, "--batch-size", 8, "--patches-per-visit", 1, "--epochs", 8, "--hash"),
    *("--bind", "tcp://127.0.0.1:0", "--no-tensorboard"),
)  # fmt: skip
EXACT = 1e-5  # relative: what sums in another order differ by

# With a metric that sees the weights.
COMPILED = """
def build_model(self, classes):
    model = self.net()
    model.compile(
        "adam", "sparse_categorical_crossentropy", metrics=["accuracy"],
        weighted_metrics=["accuracy"],
    )
    return model
"""
TASKS = {
    "weights": odd(),
    "compiled": odd(COMPILED),
    "no target": odd(NO_TARGET).replace("    metrics =", "    nothing ="),
}
# Ends the process at once, in the middle of the second epoch.
KILLED = """
import os
import signal

import keras


class Killed(keras.callbacks.Callback):
    epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 4):
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", PARTS)


def use(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have programs that are started use this back end; the process of the tests keeps its own."""
    import keras  # noqa: F401

    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    monkeypatch.setenv("KERAS_BACKEND", backend)


def words(tmp_path: Path, source: str, devices: object, out: Path) -> tuple[object, ...]:
    task = write_task(tmp_path / "odd.py", source)
    flags = ("--task", task, "--links", tmp_path, "--devices", devices, "--out", out)
    return ("train_zmq.py", *flags, *FLAGS)


def same_curve(one: Path, other: Path) -> None:
    rows, others = history(one), history(other)
    assert len(rows) == len(others)
    for row, theirs in zip(rows, others, strict=True):
        assert row.keys() == theirs.keys()
        for name, value in row.items():
            assert float(theirs[name]) == pytest.approx(float(value), rel=EXACT), name


def same_weights(one: Path, other: Path) -> None:
    for mine, theirs in zip(variables(one), variables(other), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.usefixtures("parts")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("backend", BACK_ENDS)
@pytest.mark.parametrize("task", TASKS)
def test_losses_and_metrics_are_those_of_one_device(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, task: str
) -> None:
    """56 steps, of which 8 have two samples, and validation ends with five."""
    use(backend, monkeypatch)
    alone = tmp_path / "1"
    assert CLEAN in start(*words(tmp_path, TASKS[task], 1, alone)).done()
    for devices in ("all", "1,3"):
        out = tmp_path / devices
        script = start(*words(tmp_path, TASKS[task], devices, out))
        assert CLEAN in script.done()
        used = [1, 3] if devices == "1,3" else range(4)
        report = report_of(out / "report.json")
        assert report["devices"] == [f"cpu:{number}" for number in used]
        assert hashes(report) == hashes(report_of(alone / "report.json"))
        same_curve(alone, out)
    told = "the last batch of val has 5 samples: each comes 2 times and counts once"
    assert told in script.output
    assert "the last batch of train" not in script.output  # two samples, for two devices
    assert "\nDevices   cpu:1, cpu:3; not used: cpu:0, cpu:2 (--devices all)\n" in script.output


@pytest.mark.usefixtures("parts")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("backend", BACK_ENDS)
@pytest.mark.parametrize("devices", [(1, 2), (2, 1), (4, 2)])
def test_killed_within_an_epoch_and_resumed_on_other_devices(
    start: Starter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    devices: tuple[int, int],
) -> None:
    use(backend, monkeypatch)
    calm, wild, mine = tmp_path / "calm", tmp_path / "wild", tmp_path / "mine.py"
    mine.write_text(KILLED)
    start(*words(tmp_path, odd(), 1, calm)).done()
    saved = ("--checkpoint-every", 3, "--callback", f"{mine}:Killed")
    start(*words(tmp_path, odd(), devices[0], wild), *saved).finish()
    flags = ("--out", wild, "--devices", devices[1], "--callback", "", "--generators", 1)
    said = start("train_zmq.py", "--resume", *flags).done()
    assert "at epoch 2, batch 4 of 7" in said
    assert f"from here on --devices {devices[1]} as given now" in said
    assert CLEAN in said
    first, second = (report_of(out / "report.json") for out in (calm, wild))
    assert hashes(first) == hashes(second)
    assert second["metrics"]["steps_trained"] == 8 * 7
    same_curve(calm, wild)
    same_weights(calm / "last.keras", wild / "last.keras")


@pytest.mark.usefixtures("parts")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("backend", BACK_ENDS)
def test_a_model_that_draws_numbers_resumes_on_the_same_devices(
    start: Starter, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    """smallcnn has dropout and batch normalisation. What it predicts needs none of the devices."""
    use(backend, monkeypatch)
    calm, wild, mine = tmp_path / "calm", tmp_path / "wild", tmp_path / "mine.py"
    mine.write_text(KILLED)
    flags = (*FLAGS, "--patch", 16, "--patches-per-visit", 7, "--devices", 2, "--epochs", 3)
    start.trainer(photos, *flags, "--out", calm).done()
    saved = ("--checkpoint-every", 3, "--callback", f"{mine}:Killed", "--out", wild)
    start.trainer(photos, *flags, *saved).finish()
    more = ("--out", wild, "--callback", "", "--generators", 1)
    said = start("train_zmq.py", "--resume", *more).done()
    assert "at epoch 2, batch 4 of 7" in said and CLEAN in said
    assert "\nDevices   cpu:0, cpu:1; not used: cpu:2, cpu:3 (--devices all)\n" in said
    same_curve(calm, wild)
    same_weights(calm / "last.keras", wild / "last.keras")

    with zipfile.ZipFile(wild / "best.keras") as saved_model:
        assert b"istribut" not in saved_model.read("config.json")
    monkeypatch.delenv("XLA_FLAGS")
    table = tmp_path / "p.csv"
    flags = ("--run", wild, "--data", photos / "train" / "alpha", "--out", table, "--generators", 1)
    start("predict.py", *flags).done()
    assert len(table.read_text().splitlines()) == 1 + 4


@pytest.mark.usefixtures("parts")
@pytest.mark.timeout(400)
def test_the_commands_of_the_page(start: Starter, photos: Path, tmp_path: Path) -> None:
    train, resume = pages.DEVICES
    out = tmp_path / "run"
    where = ("--out", out, "--bind", "tcp://127.0.0.1:0", "--generators", 1)
    small = ("--epochs", 1, "--patch", 16, "--model", "smallcnn", "--no-tensorboard")
    said = start(*pages.words(train, DIR=photos), *where, *small).done()
    assert "\nDevices   cpu:0, cpu:1, cpu:2, cpu:3\n" in said and CLEAN in said
    more = ("--epochs", 2, "--generators", 1)
    said = start(*pages.words(resume.replace("runs/cam1", str(out))), *more).done()
    assert "from here on --devices 2 as given now" in said and CLEAN in said


# Six steps of an epoch do not divide by four.
FOUR_AT_A_TIME = """
def build_model(self, classes):
    model = self.net()
    model.compile("adam", "sparse_categorical_crossentropy", steps_per_execution=4)
    return model
"""
WHOLE = "Every sample of a whole batch was handed to fit and trained on exactly once."
LEFT_OUT = f"{8 * 2} samples were skipped, as they do not fill a batch (--drop-last)."


def check_dropped(out: Path) -> None:
    """The audit of a run whose epochs have 48 samples in whole batches, and two that are left."""
    report = json.loads((out / "report.json").read_text())
    rows = report["splits"]
    names = ("expected", "seen", "trained", "skipped", "missing", "duplicate")
    assert [[row[name] for name in names] for row in rows["train"]] == [[50, 48, 48, 2, 0, 0]] * 8
    assert [[row[name] for name in names] for row in rows["val"]] == [[21, 21, 21, 0, 0, 0]] * 8
    assert report["metrics"]["steps_trained"] == 8 * 6


@pytest.mark.usefixtures("parts")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("backend", BACK_ENDS)
def test_a_last_batch_that_is_smaller_is_left_out_if_that_is_wanted(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    """On any number of devices alike, over a kill, and with several steps in a call."""
    use(backend, monkeypatch)
    alone, calm, wild = tmp_path / "1", tmp_path / "4", tmp_path / "wild"
    for devices, out in ((1, alone), ("all", calm)):
        said = start(*words(tmp_path, odd(), devices, out), "--drop-last").done()
        assert "Epoch     6 steps of 8 samples, 3 steps of validation; 2 samples left out" in said
        assert "the last batch of train" not in said
        assert f"{WHOLE}\n{LEFT_OUT}\n" in said
        check_dropped(out)
    same_curve(alone, calm)

    mine = tmp_path / "mine.py"
    mine.write_text(KILLED)
    saved = ("--drop-last", "--checkpoint-every", 3, "--callback", f"{mine}:Killed")
    start(*words(tmp_path, odd(), "all", wild), *saved).finish()
    resume = ("train_zmq.py", "--resume", "--out", wild, "--generators", 1, "--callback", "")
    assert "--drop-last was" in start(*resume, "--no-drop-last").done(2)
    said = start(*resume).done()
    assert "at epoch 2, batch 4 of 6" in said and LEFT_OUT in said
    check_dropped(wild)
    audits = [json.loads((out / "report.json").read_text())["splits"] for out in (calm, wild)]
    assert audits[0] == audits[1]
    same_curve(calm, wild)
    same_weights(calm / "last.keras", wild / "last.keras")

    out = tmp_path / "several"
    devices = 2 if backend == "jax" else 1  # TensorFlow cannot do it on several
    said = start(*words(tmp_path, odd(FOUR_AT_A_TIME), devices, out), "--drop-last").done()
    assert WHOLE in said
    check_dropped(out)


def test_an_epoch_without_a_whole_batch_is_refused(start: Starter, tmp_path: Path) -> None:
    flags = words(tmp_path, odd(), 1, tmp_path / "run")
    said = start(*flags, "--drop-last", "--batch-size", 51).done(2)
    assert "has only 50 samples, fewer than --batch-size 51: give a smaller --batch-size" in said


OWN_STRATEGY = """
def build_model(self, classes):
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        return self.net()
"""
OWN_DISTRIBUTION = """
def build_model(self, classes):
    import keras

    keras.distribution.set_distribution(keras.distribution.DataParallel())
    return self.net()
"""
SUMS = """
@property
def loss(self):
    return {"class_name": "SparseCategoricalCrossentropy", "config": {"reduction": "sum"}}
"""
ACCUMULATES = """
def build_model(self, classes):
    import keras

    model = self.net()
    model.compile(keras.optimizers.SGD(gradient_accumulation_steps=2), "mse")
    return model
"""
UNTOLD = TASKS["no target"].replace("(x - y_pred)", "(x - x)")


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize(
    ("backend", "source", "devices", "told"),
    [
        ("tensorflow", odd(), 9, "Keras finds 4 devices on this host, cpu:0, cpu:1, cpu:2, cpu:3."),
        ("tensorflow", odd(), 8, "Keras finds 4 devices on this host, "),
        ("jax", odd(), "0,4", "Keras finds 4 devices on this host, cpu:0, cpu:1, cpu:2, cpu:3."),
        ("torch", odd(), 2, "on torch Keras trains on one device in a process. "),
        ("tensorflow", odd(OWN_STRATEGY), 1, "made within a MirroredStrategy of its own"),
        ("tensorflow", odd(OWN_STRATEGY), 2, "build_model"),
        ("jax", odd(OWN_DISTRIBUTION), 1, "made within a DataParallel of its own"),
        ("jax", odd(OWN_DISTRIBUTION), 2, "made within a DataParallel of its own"),
        ("tensorflow", odd(SUMS), 4, "the model's loss adds up its samples (reduction 'sum')"),
        ("jax", odd(SUMS), 4, "the model's loss adds up its samples (reduction 'sum')"),
        ("tensorflow", odd(ACCUMULATES), 2, "cannot put several steps into one update"),
        ("tensorflow", odd(FOUR_AT_A_TIME), 2, "steps_per_execution=4: TensorFlow cannot run"),
        ("tensorflow", UNTOLD, 2, "computes its loss itself (compute_loss)"),
    ],
)
def test_what_cannot_be_trained_so_is_told(
    start: Starter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    source: str,
    devices: object,
    told: str,
) -> None:
    use(backend, monkeypatch)
    flags: tuple[Any, ...] = words(tmp_path, source, devices, tmp_path / "run")
    if devices == 9:
        flags = (*flags, "--batch-size", 9)
    said = start(*flags).done(2)
    assert told in said
    assert os.linesep + "Traceback" not in said
