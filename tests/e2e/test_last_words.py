"""What can never work says so and ends, on both sides; what may work yet says why not, rarely."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import h5py
import pytest

from bench.lab.processes import Starter, free_port, until
from tests.support.idx_files import write_digits
from tests.support.own_tasks import write_task
from tests.support.photos import write_photos

pytestmark = pytest.mark.slow

CLASSES = """
from pushfit.tasks.base import ArraySpec, DataSet, Record, Task


class Many(Task):
    name = "many"
    row = {"patches_per_visit": 1}

    def scan(self, links):
        names = tuple(f"{number:04}-" + "x" * LENGTH for number in range(COUNT))
        records = tuple(Record(f"{n}", 0, n) for n in range(COUNT))
        return DataSet(names, {"train": records})

    def arrays(self):
        return ArraySpec("x", "float32", (1,)), ArraySpec("label", "int32", ())

    def read(self, links, record):
        return b""

    def decode(self, data, record):
        return None

    def sample(self, item, record, split, patch, rng):
        return {"x": rng.random(1, "float32"), "label": record.label}

    def to_fit(self, batch):
        return batch["x"], batch["label"]
"""


def many(folder: Path, count: int, length: int) -> Path:
    text = CLASSES.replace("COUNT", str(count)).replace("LENGTH", str(length))
    return write_task(folder / f"many{count}.py", text)


@pytest.mark.parametrize(("count", "length"), [(10, 240), (20, 4000), (120_000, 3)])
def test_long_names_and_many_classes_join(
    start: Starter, tmp_path: Path, count: int, length: int
) -> None:
    task = many(tmp_path, count, length)
    port = free_port()
    words = ("--task", task, "--epochs", 1, "--patches-per-epoch", 200)
    sink = start(
        *("sink_zmq.py", "--null", "--bind", f"tcp://127.0.0.1:{port}", *words),
        *("--report", tmp_path / "r.json"),
    )
    generator = start.generator(tmp_path, port, "--task", task)
    assert "exactly once" in sink.done()
    generator.done()
    assert len(json.loads((tmp_path / "r.json").read_text())["classes"]) == count


def test_a_data_set_that_no_trainer_can_take_ends_its_generator(
    start: Starter, tmp_path: Path
) -> None:
    task = many(tmp_path, 5000, 4000)  # 20 MB of names
    port = free_port()
    words = ("--task", task, "--epochs", 1)
    sink = start("sink_zmq.py", "--null", "--bind", f"tcp://127.0.0.1:{port}", *words)
    generator = start.generator(tmp_path, port, "--task", task, "--processes", 2)
    said = generator.done(2)
    assert "no trainer can take this data set: it takes 20," in said
    assert "5,000 classes" in said and "starting another" not in said
    sink.wait_for(
        "no generator is connected. The last one that came: .*no trainer can take this data"
    )


def test_who_is_not_let_in_is_told_once_on_both_sides(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    keys, port = tmp_path / "keys", free_port()
    for name in ("one", "two"):
        start("-m", "pushfit", "keys", "make", name, "--keys", keys).done()
    key = tmp_path / "two.key"
    key.touch(0o600)
    key.write_bytes((keys / "two.key").read_bytes())
    start("-m", "pushfit", "keys", "revoke", "two", "--keys", keys).done()
    sink = start.sink(photos, "--keys", keys, "--bind", f"tcp://127.0.0.1:{port}")
    revoked = start.generator(photos, port, "--key", key, "--processes", 4)
    plain = start.generator(photos, port)
    sink.wait_for("refused a generator at 127.0.0.1: its key, two, was revoked")
    revoked.wait_for("does not let this generator in: the key 'two' is not admitted there")
    plain.wait_for("it admits only generators with a key: make one at the trainer")
    # Some more knocks, which come every two seconds.
    assert until(lambda: plain.process.poll() is not None, 7.0) is False
    assert revoked.output.count("does not let this generator in") == 1, revoked.output
    assert "no answer" not in revoked.output
    assert sink.output.count("was revoked") == 1, sink.output
    assert sink.output.count("it broke the handshake off") <= 2, sink.output


def test_a_trainer_on_ipv6(start: Starter, photos: Path) -> None:
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    port = free_port()
    flags = ("--patch", 32, "--epochs", 1, "--links", photos)
    sink = start("sink_zmq.py", "--null", "--bind", f"tcp://[::1]:{port}", *flags)
    words = ("generator_zmq.py", "--connect", f"tcp://[::1]:{port}", "--links", photos)
    generator = start(*words)
    assert "exactly once" in sink.done()
    generator.done()


def test_a_first_try_that_failed_does_not_keep_its_folder(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    flags = ("--patch", 32, "--epochs", 1, "--generators", 1, "--out", out)
    other = tmp_path / "other.weights.h5"
    with h5py.File(other, "w"):
        pass
    failed = start.trainer(photos, *flags, "--weights", other)
    assert "does not fit smallcnn" in failed.done(2)
    assert out.is_dir()
    (out / "notes.txt").write_text("mine")
    refused = start.trainer(photos, *flags).done(2)
    assert "exists already and is not empty" in refused
    (out / "notes.txt").unlink()
    assert "exactly once" in start.trainer(photos, *flags).done()
    assert "exists already and is not empty: to continue" in start.trainer(photos, *flags).done(2)


def test_resume_where_nothing_is(start: Starter, tmp_path: Path) -> None:
    """A mistyped OUT is not begun in silence; a new rate is taken, and told."""
    links, out = write_digits(tmp_path / "links", 300), tmp_path / "cam-one"
    flags = ("--task", "digits", "--batch-size", 32, "--no-tensorboard", "--generators", 1)
    flags = (*flags, "--bind", "tcp://127.0.0.1:0")
    said = start.trainer(links, *flags, "--resume", "--epochs", 1, "--out", out).done()
    assert f"nothing to resume in {out}: a new run begins there" in said
    typo = start("train_zmq.py", "--resume", "--out", tmp_path / "cam-oen", "--epochs", 2)
    said = typo.done(2)
    assert "there is no run in " in said and "did you mean 'cam-one'?" in said
    assert not (tmp_path / "cam-oen").exists()
    again = start(
        *("train_zmq.py", "--resume", "--out", out, "--epochs", 2, "--learning-rate", 1e-4),
        *("--plateau-patience", 0),
    )
    assert "from here on --learning-rate as given now" in again.done()
    last = (out / "history.csv").read_text().splitlines()
    rate = last[0].split(",").index("learning_rate")
    assert [float(line.split(",")[rate]) for line in last[1:]] == pytest.approx([1e-3, 1e-4])
    fixed = start("train_zmq.py", "--resume", "--out", out, "--epochs", 3, "--batch-size", 16)
    assert "--batch-size was 32 in the run" in fixed.done(2)


def test_photos_elsewhere_are_told_before_a_trainer_is_waited_for(
    start: Starter, tmp_path: Path
) -> None:
    write_photos(tmp_path / "photos")
    generator = start.generator(tmp_path / "photo", free_port(), "--processes", 3)
    said = generator.done(2)
    assert "did you mean 'photos'?" in said
    assert len(said.splitlines()) == 1
