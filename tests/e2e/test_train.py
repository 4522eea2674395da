"""The trainer as a process: what a run writes, and how it ends."""

from __future__ import annotations

import csv
import json
import math
import signal
import sys
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from bench.lab.processes import Starter, free_port, until
from pushfit.commands import train
from pushfit.entry import enter
from tests.support.photos import write_photos

pytestmark = pytest.mark.slow


def test_one_short_epoch_on_the_sample(start: Starter, cameras: Path, tmp_path: Path) -> None:
    batch, visits, out = 32, 2, tmp_path / "run"
    train = len(list((cameras / "train").glob("*/*")))
    held_out = len(list((cameras / "val_images").glob("*/*")))
    trainer = start.trainer(
        cameras,
        *("--patch", 64, "--patches-per-visit", visits, "--batch-size", batch, "--epochs", 1),
        *("--generators", 2, "--hash", "--out", out),
    )
    said = trainer.done()
    assert "Every sample was handed to fit and trained on exactly once." in said
    assert start.no_orphans()

    report = json.loads((out / "report.json").read_text())
    assert report["metrics"]["steps_trained"] == math.ceil(train * visits / batch)
    for split, samples in (("train", train * visits), ("val", held_out)):
        (row,) = report["splits"][split]
        assert (row["expected"], row["seen"]) == (samples, samples)
        assert (row["duplicate"], row["missing"], row["bad"]) == (0, 0, 0)
    assert len(report["generators"]) == 2
    assert sum(each["patches"] for each in report["generators"]) == train * visits + held_out

    config = json.loads((out / "config.json").read_text())["settings"]
    assert config["patch"] == {"value": 64, "source": "command line"}
    with (out / "history.csv").open() as file:
        (epoch,) = csv.DictReader(file)
    assert float(epoch["val_accuracy"]) == pytest.approx(
        report["metrics"]["val_accuracy"], abs=1e-5
    )
    with Image.open(out / "samples.png") as sheet:
        assert sheet.width > 8 * 64
    from pushfit.training import checkpoint

    model = checkpoint.load(out / "best.keras", compiled=True)
    assert model.output_shape == (None, len(report["classes"]))
    assert model.input.dtype == "uint8"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_the_middle_of_an_epoch(
    start: Starter, tmp_path: Path, number: signal.Signals
) -> None:
    links, out = write_photos(tmp_path / "links", train=40), tmp_path / "run"
    trainer = start.trainer(
        links,
        *("--patch", 32, "--patches-per-visit", 64, "--batch-size", 8, "--generators", 2),
        *("--out", out, "--no-tensorboard", "--progress", "bar"),
    )
    far = start.generator(links, trainer.port)
    trainer.wait_for("epoch 1/10: .* loss ")  # the bar, once a step was taken
    far.wait_for("found run")
    trainer.send(number)
    said = trainer.done(130, seconds=15.0)
    far.wait_for("the run was interrupted")  # it stays, for the run to come back
    far.send(signal.SIGTERM)
    far.done(130)
    assert "the model as it was then is kept" in said
    assert start.no_orphans()
    report = json.loads((out / "report.json").read_text())
    (row,) = report["splits"]["train"]
    assert 0 < row["seen"] < row["expected"]
    assert report["metrics"]["steps_trained"] > 0
    assert (out / "last.keras").stat().st_size > 0


def test_interrupted_while_waiting_for_generators(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    trainer = start.trainer(photos, "--patch", 32, "--out", tmp_path / "run")
    trainer.wait_for("listening at")
    until(lambda: False, 1.0)
    trainer.send(signal.SIGINT)
    trainer.done(130, seconds=10.0)


def test_generators_before_the_trainer_and_halfway(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    """The trainer's host has no data; one generator is killed, another comes when it likes."""
    port, out = free_port(), tmp_path / "run"
    early = start.generator(photos, port, "--log", "leases")
    trainer = start(
        *("train_zmq.py", "--bind", f"tcp://127.0.0.1:{port}", "--model", "smallcnn"),
        *("--patch", 32, "--epochs", 10, "--mix-visits", 8, "--buffer", "1MiB"),
        *("--lease-bytes", "100KB", "--out", out, "--no-tensorboard"),
    )
    early.wait_for(r"lease \d+: ")
    late = start.generator(photos, port, "--log", "leases")
    trainer.wait_for(rf"pid {late.pid}\) joined")
    early.send(signal.SIGKILL)
    trainer.done()
    assert "lease " in late.done()
    rows = json.loads((out / "report.json").read_text())["splits"]["train"]
    assert [(row["seen"], row["missing"], row["duplicate"]) for row in rows] == [(128, 0, 0)] * 10


def test_a_back_end_that_is_not_there(
    start: Starter, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    said = start.trainer(photos, "--patch", 32, "--out", tmp_path / "run").done(2)
    assert "error: KERAS_BACKEND=theano: the package theano is not installed. " in said
    assert "set KERAS_BACKEND to one of Keras's back ends that is (tensorflow, jax, torch)" in said


def test_an_unknown_model(start: Starter, photos: Path, tmp_path: Path) -> None:
    said = start.trainer(photos, "--model", "mobilnet", "--out", tmp_path / "run").done(2)
    assert "error: train_zmq.py: unknown model 'mobilnet', did you mean 'mobilenet'" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--model resnet18 --weights imagenet", "train_zmq.py: resnet18 has no ImageNet weights"),
        ("--model smallcnn --weights nowhere.keras", "there is no model file nowhere.keras"),
        ("--model smallcnn --weights nowhere.weights.h5", "there is no model file nowhere.w"),
        ("--model smallcnn --weights imagenet", "train_zmq.py: smallcnn has no ImageNet weights"),
        ("--model mobilenet --weights imagenet", "cannot fetch the ImageNet weights of mobilenet"),
    ],
)
def test_a_model_that_cannot_be_built(
    photos: Path,
    tmp_path: Path,
    words: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In this process: Keras starts once for all of them."""
    flags = ["--links", str(photos), "--bind", "tcp://127.0.0.1:0", "--generators", "1"]
    argv = ["train_zmq.py", *flags, "--out", str(tmp_path / "run"), "--patch", "32", *words.split()]
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))  # no weights from an earlier fetch
    for proxy in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")  # nor from the network
    monkeypatch.setattr(urllib.request, "_opener", None)  # urllib keeps proxies once it knows them
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            enter(train.main, sys.argv[1:])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 2
    said = capfd.readouterr().err
    assert f"error: {message}" in said.replace(f"error: --weights {words.split()[-1]}: ", "error: ")
    assert "Traceback" not in said
