"""Tasks as people write them: models with losses of their own, slips in to_fit, chance."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench.lab.processes import Starter
from tests.support.own_tasks import NO_TARGET, plain, write_task
from tests.support.reports import hashes, report_of

pytestmark = pytest.mark.slow

LOCAL = ("--generators", 1, "--batch-size", 8, "--bind", "tcp://127.0.0.1:0")

OWN_LOSS = """
def build_model(self, classes):
    import keras

    @keras.saving.register_keras_serializable("habits")
    class Net(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean((y - y_pred) ** 2)

    x = keras.Input((4,))
    return Net(x, keras.layers.Dense(1, name="out")(x), name="net")
"""
COMPILED = """
def build_model(self, classes):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="out")], name="net")
    model.compile(keras.optimizers.AdamW(1e-4, weight_decay=0.05, clipnorm=1.0), loss="mae")
    return model
"""
TRIMS = """
def to_fit(self, batch):
    longest = int((batch["x"] > 0.5).sum(1).max())
    return batch["x"][:, :max(2, longest)], batch["y"], batch["y"][:, 0]

def build_model(self, classes):
    import keras

    layers = keras.layers
    parts = [keras.Input((None,)), layers.Reshape((-1, 1)), layers.GlobalAveragePooling1D()]
    return keras.Sequential([*parts, layers.Dense(1, name="out")], name="net")
"""
LOSS = """
@property
def loss(self):
    import keras

    return {"out": {"class_name": "Huber", "config": {"delta": 0.5}}}
"""


def train(start: Starter, tmp_path: Path, source: str, *words: object) -> str:
    task = write_task(tmp_path / "mytask.py", source)
    flags = ("--task", task, "--links", tmp_path, "--out", tmp_path / "run", *LOCAL)
    flags = (*flags, "--no-tensorboard", "--epochs", 2, *words)
    return start("train_zmq.py", *flags).done(seconds=200)


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_model_with_a_loss_and_a_class_of_its_own(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    """It trains on every back end, goes on, and is opened again: its class is registered late."""
    pytest.importorskip(backend)
    monkeypatch.setenv("KERAS_BACKEND", backend)
    test = """
def scan_test(self, links):
    return DataSet(("all",), {"test": tuple(Record(f"t/{i}", 0, 0) for i in range(3))})
"""
    out = tmp_path / "run"
    said = train(start, tmp_path, plain(OWN_LOSS + test))
    assert "Every sample was handed to fit and trained on exactly once." in said
    more = start("train_zmq.py", "--resume", "--out", out, "--epochs", 3, *LOCAL[:2])
    assert "at epoch 3, batch 1 of 4" in more.done(seconds=200)
    assert "exactly once" in more.output
    if backend == "tensorflow":
        table = tmp_path / "p.csv"
        flags = ("--run", out, "--data", tmp_path, "--out", table, "--generators", 1)
        start("predict.py", *flags).done(seconds=200)
        assert len(table.read_text().splitlines()) == 4


OWN_RECORDS = """
def scan(self, links):
    def records(split):
        return tuple(Record(f"{split}/{number:02}") for number in range(32))

    return DataSet((), {split: records(split) for split in ("train", "val")})
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_model_without_targets(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    pytest.importorskip(backend)
    monkeypatch.setenv("KERAS_BACKEND", backend)
    source = plain(OWN_RECORDS + NO_TARGET).replace('    loss = "mse"\n', "")
    said = train(start, tmp_path, source)
    assert "Every sample was handed to fit and trained on exactly once." in said
    assert "Best held-out loss: " in said


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
@pytest.mark.parametrize("at_once", [2, 3, 5])
def test_several_steps_in_a_call_which_need_not_divide_an_epoch(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, at_once: int
) -> None:
    pytest.importorskip(backend)
    monkeypatch.setenv("KERAS_BACKEND", backend)
    compiled = """
def build_model(self, classes):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="out")], name="net")
    model.compile("sgd", loss="mse", steps_per_execution=AT_ONCE)
    return model
"""
    said = train(start, tmp_path, plain(compiled.replace("AT_ONCE", str(at_once))))
    assert "Every sample was handed to fit and trained on exactly once." in said
    assert report_of(tmp_path / "run" / "report.json")["metrics"]["steps_trained"] == 8


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_averages_of_the_weights(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    pytest.importorskip(backend)
    monkeypatch.setenv("KERAS_BACKEND", backend)
    averages = ("--optimizer-args", "use_ema=true,ema_momentum=0.9")
    said = train(start, tmp_path, plain(), *averages, "--epochs", 2)
    assert "Every sample was handed to fit and trained on exactly once." in said


def test_a_model_that_comes_compiled_stays_as_it_is(start: Starter, tmp_path: Path) -> None:
    said = train(start, tmp_path, plain(COMPILED), "--learning-rate", 0.5)
    assert said.count("the task's model comes compiled and stays so") == 1
    rates = (tmp_path / "run" / "history.csv").read_text().splitlines()
    column = rates[0].split(",").index("learning_rate")
    assert float(rates[1].split(",")[column]) == pytest.approx(1e-4)
    more = start("train_zmq.py", "--resume", "--out", tmp_path / "run", "--epochs", 3, *LOCAL[:2])
    assert "exactly once" in more.done(seconds=200)


def test_batches_of_several_lengths_weights_and_a_loss_that_needs_keras(
    start: Starter, tmp_path: Path
) -> None:
    said = train(start, tmp_path, plain(TRIMS + LOSS))
    assert "Every sample was handed to fit and trained on exactly once." in said
    assert "Best held-out loss: 0." in said


SLIPS = {
    "raises": (
        "if batch['x'].any():\n        raise ValueError('of real samples')",
        r"to_fit\(\) raised ValueError: of real samples \(mytask.py:\d+ in to_fit\)",
    ),
    "another dtype": (
        "if batch['x'].any():\n        return batch['x'].astype(np.float64), batch['y']",
        r"to_fit\(\) returned x as float64\[8, 4\] for a batch of samples, and for one of zeros it "
        r"was float32",
    ),
    "another length": (
        "if batch['x'].any():\n        return batch['x'][:, :3], batch['y']",
        r"to_fit\(\) returned x as float32\[8, 3\] for a batch .* was float32\[any, 4\]\. A model",
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_that_only_real_batches_show_is_told_with_the_task(
    start: Starter, tmp_path: Path, slip: str
) -> None:
    body, says = SLIPS[slip]
    method = f"def to_fit(self, batch):\n    {body}\n    return batch['x'], batch['y']"
    task = write_task(tmp_path / "mytask.py", plain(method))
    flags = ("--task", task, "--links", tmp_path, "--out", tmp_path / "run", *LOCAL)
    trainer = start("train_zmq.py", *flags, "--no-tensorboard")
    trainer.done(2, seconds=200)
    assert trainer.wait_for(f"error: task plain: {says}")
    assert "Traceback" not in trainer.output


CHANCE = """
def sample(self, item, record, split, patch, rng):
    x = np.random.random(4).astype(np.float32)
    return {"x": x, "y": x[:1]}
"""


def test_randomness_that_is_not_the_samples_own_is_told_before_the_first_batch(
    start: Starter, tmp_path: Path
) -> None:
    task = write_task(tmp_path / "mytask.py", plain(CHANCE))
    said = start.sink(tmp_path, "--task", task, "--generators", 1).done(2)
    found = r"sample\(\) of train/\d\d gave two different samples for the same rng: 'x' differs"
    assert re.search(found, said)  # which record is tried first differs between processes


PARTNER = """
def sample(self, item, record, split, patch, rng):
    from pushfit.errors import BadRecord

    if rng.integers(32) == 7:
        raise BadRecord("07, which stands beside it, is broken")
    x = rng.random(4, np.float32)
    return {"x": x, "y": x[:1]}
"""


def test_a_bad_partner_costs_no_record_and_the_stream_is_the_same_for_any_fleet(
    start: Starter, tmp_path: Path
) -> None:
    task, streams = write_task(tmp_path / "mytask.py", plain(PARTNER)), {}
    for fleet in (1, 2):
        report = tmp_path / f"{fleet}.json"
        flags = ("--task", task, "--epochs", 4, "--report", report, "--lease-bytes", "100")
        said = start.sink(tmp_path, *flags, "--max-bad", "50%", "--generators", fleet).done()
        assert "drawn again, since the task raised at the first try" in said
        streams[fleet] = hashes(report_of(report))
    assert streams[1] == streams[2]
    found = json.loads(report.read_text())
    assert found["faults"]["redrawn_samples"] > 0 and "bad_visits" not in found["faults"]
    assert all(row["bad"] == 0 for row in found["splits"]["train"])


STORAGE = """
def read(self, links, record):
    if record.path == "train/05" and not (links / "answered").exists():
        (links / "answered").touch()
        raise ConnectionRefusedError if {kind} else RuntimeError("503 Service Unavailable")
    return None
"""


@pytest.mark.parametrize("kind", [True, False])
def test_a_read_that_fails_is_tried_again_whatever_it_raises(
    start: Starter, tmp_path: Path, kind: bool
) -> None:
    task = write_task(tmp_path / "mytask.py", plain(STORAGE.replace("{kind}", str(kind))))
    report = tmp_path / "r.json"
    said = start.sink(tmp_path, "--task", task, "--generators", 1, "--report", report).done()
    assert "train/05: " in said and "trying another generator" in said
    assert json.loads(report.read_text())["faults"]["unreadable"] == 1
    assert "went to a substitute" not in said


def test_a_handle_that_stays_with_its_thread_works(start: Starter, tmp_path: Path) -> None:
    """SQLite's: opened by whoever reads first, in the check at the start."""
    source = plain("""
db = None

def read(self, links, record):
    import sqlite3

    if self.db is None:
        self.db = sqlite3.connect(":memory:")
    return self.db.execute("select 1").fetchone()
""")
    task = write_task(tmp_path / "mytask.py", source)
    said = start.sink(tmp_path, "--task", task, "--generators", 2, "--epochs", 2).done()
    assert "exactly once" in said and "trying another" not in said


def test_what_every_read_raises_ends_the_generator_with_the_line(
    start: Starter, tmp_path: Path
) -> None:
    task = write_task(
        tmp_path / "mytask.py", plain("def read(self, links, record):\n    return links.gone")
    )
    said = start.sink(tmp_path, "--task", task, "--generators", 1).done(2)
    assert "train/00 and other records cannot be read: AttributeError: " in said
    assert "(mytask.py:" in said


def test_hosts_with_other_side_data_or_another_version_of_a_package_do_not_mix(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        package = tmp_path / f"v{number}" / "noisebank"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"SCALE = {number}\n")
        (tmp_path / f"links{number}").mkdir()
        (tmp_path / f"links{number}" / "noise").write_text(str(number))
    source = plain("""
libraries = ("noisebank",)

def scan(self, links):
    import hashlib

    noise = hashlib.sha256((links / "noise").read_bytes()).hexdigest()[:8]
    records = {"train": tuple(Record(f"t/{i:02}", 0, 0) for i in range(32))}
    return DataSet(("all",), records, version=noise)
""")
    task = write_task(tmp_path / "mytask.py", source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "v1"))
    sink = start.sink(tmp_path / "links1", "--task", task, "--epochs", 1)
    other_data = start.generator(tmp_path / "links2", sink.port, "--task", task)
    said = other_data.done(3)
    assert "the task's version of it is 'd4735e3a' there, '6b86b273' in this run" in said
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "v2"))
    other_package = start.generator(tmp_path / "links1", sink.port, "--task", task)
    said = other_package.done(3)
    assert "it has noisebank with the files " in said
    assert "copy noisebank from this run's trainer there" in said
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "v1"))
    good = start.generator(tmp_path / "links1", sink.port, "--task", task)
    assert "exactly once" in sink.done()
    good.done()
    monkeypatch.delenv("PYTHONPATH")
    said = start.sink(tmp_path / "links1", "--task", task).done(2)
    assert "libraries names 'noisebank', which is not installed here" in said


# The second process may not make the whole stream before the first, which tells, has come.
HEAVY = """
import os
import time
from pathlib import Path

CAME = Path(__file__).with_name("came")
while os.environ.get("PUSHFIT_PLACE") == "1" and not CAME.exists():
    time.sleep(0.05)

import keras
"""
COMES = """
def setup(self, links):
    CAME.touch()
"""


def test_a_framework_at_the_top_of_the_file_is_told_with_what_it_costs(
    start: Starter, tmp_path: Path
) -> None:
    task = write_task(tmp_path / "mytask.py", HEAVY + plain(COMES))
    said = start.sink(tmp_path, "--task", task, "--generators", 2, "--epochs", 1).done()
    assert said.count("imports tensorflow, keras") == 1
    assert "and costs every generator process as much: import it inside the methods" in said


SLOW_START = """
def setup(self, links):
    import os
    import time

    time.sleep(3)
    (links / f"set-up-{os.getpid()}").touch()
    self.ready = True

def teardown(self):
    import os

    (self.links / f"torn-down-{os.getpid()}").touch()

def read(self, links, record):
    self.links = links
    assert self.ready
    return None
"""


def test_a_setup_longer_than_the_expiry_runs_once_in_each_generator(
    start: Starter, tmp_path: Path
) -> None:
    task, links = write_task(tmp_path / "mytask.py", plain(SLOW_START)), tmp_path / "links"
    links.mkdir()
    said = start.sink(links, "--task", task, "--generators", 2, "--expiry", 1).done()
    assert "stuck" not in said
    done = sorted(path.name for path in links.iterdir())
    assert (
        len(done) == 4
        and [each.rpartition("-")[0] for each in done] == ["set-up"] * 2 + ["torn-down"] * 2
    )
