"""What goes wrong before and during a run, as a new user meets it: a message, exit code 2 or 3."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.lab.processes import Starter, until
from tests.support.reports import untold


def remove(links: Path) -> None:
    shutil.rmtree(links)


def remove_train(links: Path) -> None:
    shutil.rmtree(links / "train")


def dangle(links: Path) -> None:
    remove_train(links)
    (links / "train").symlink_to("/nowhere/train")


def add_empty_class(links: Path) -> None:
    (links / "train" / "gamma").mkdir()


def leave_one_class(links: Path) -> None:
    shutil.rmtree(links / "train" / "beta")
    shutil.rmtree(links / "val_images")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (remove, "--links .*links does not exist: it is the folder that holds your data"),
        (remove_train, "there is no train in .*links: link the photos with `ln -sfn"),
        (dangle, "train is a dangling link: its target /nowhere/train is not .* `ln -sfn"),
        (add_empty_class, "train/gamma holds no photos .* or remove the folder"),
        (leave_one_class, "only one class, 'alpha', in .*train: .* add a second folder"),
    ],
)
def test_data_that_cannot_serve(
    start: Starter, photos: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(photos)
    script = start.trainer(photos, "--generators", 1, "--out", photos.parent / "out")
    script.done(2)
    assert script.wait_for(f"^error: .*{message}")
    assert len(script.lines) == 1  # and before Keras is imported
    assert not (photos.parent / "out").exists()


@pytest.mark.parametrize("program", ["train", "predict", "serve"])
def test_a_model_file_that_is_cut_short(start: Starter, photos: Path, program: str) -> None:
    model, out = photos.parent / "best.keras", photos.parent / "out"
    model.write_bytes(b"PK\x03\x04 and the rest is missing")
    script = {
        "train": lambda: start.trainer(photos, "--weights", model, "--out", out),
        "predict": lambda: start("predict.py", "--run", model, "--data", photos, "--out", out),
        "serve": lambda: start("serve.py", "--run", model, "--port", 0),
    }[program]()
    script.done(2)
    assert script.wait_for(f"^error: {model} is cut short: its end is missing; copy it again")
    assert len(script.lines) == 1  # and before Keras is imported
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--task kamera", "there is no 'kamera', did you mean 'camera'"),
        ("--bach-size 3", "--bach-size is not a flag of train_zmq.py, did you mean '--batch-size'"),
        ("--batch-size 0", "--batch-size on the command line: '0' is not valid, .* at least 1"),
        ("--buffer 10KiB --patch 32", r"--buffer .* is too small: .* Give --buffer \d+KiB or more"),
        ("--bind tcp://127.0.0.1", "has no port"),
        ("--out /proc/run", "cannot make the output folder /proc/run"),
    ],
)
def test_flags_that_cannot_serve(start: Starter, photos: Path, words: str, message: str) -> None:
    script = start.trainer(photos, "--out", photos.parent / "out", *words.split())
    script.done(2)
    assert script.wait_for(f"^error: .*{message}")
    assert len(script.lines) == 1


def test_an_address_of_another_machine(start: Starter, photos: Path) -> None:
    said = start.sink(photos, "--bind", "tcp://192.0.2.7:12001", "--insecure").done(2)
    assert "error: cannot bind tcp://192.0.2.7:12001: " in said
    assert "--bind takes an address of this machine" in said


def test_a_port_in_use(start: Starter, photos: Path) -> None:
    sink = start.sink(photos)
    for port in (sink.port, sink.port - 1):  # the port itself; the one above, for data
        other = start.sink(photos, "--bind", f"tcp://127.0.0.1:{port}")
        said = other.done(2)
        assert (
            f"error: tcp://127.0.0.1:{sink.port} is in use, perhaps by another trainer or sink"
            in said
        )
        assert "--bind another port" in said
    sink.send(signal.SIGINT)
    sink.done(130)


@pytest.mark.slow
@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_a_host_that_does_not_answer(start: Starter, photos: Path, host: str) -> None:
    generator = start("generator_zmq.py", "--connect", f"tcp://{host}:9", "--links", photos)
    # What a resolver says of a name depends on the network: "not known", or "ask again".
    generator.wait_for(rf"no answer from tcp://{host}:9\b.*waiting for a trainer there")
    until(lambda: False, 1.5)
    generator.send(signal.SIGINT)
    assert len(generator.done(130, seconds=3.0).splitlines()) == 1


def test_other_data_than_the_trainer_has(start: Starter, photos: Path, tmp_path: Path) -> None:
    sink = start.sink(photos)
    for name, change, reason in (
        ("fewer", "train/alpha/00.jpg", "12 records in this run, 11 there; .*train/alpha/00.jpg"),
        ("classes", "train/alpha", "classes differ|is not a class of train"),
        ("none", "", "does not exist"),
    ):
        links = tmp_path / name
        if change:
            shutil.copytree(photos, links)
            away = f"{change}x" if name == "classes" else "moved"
            (links / change).rename(links / away)
        generator = start.generator(links, sink.port)
        assert generator.finish() == (3 if name == "fewer" else 2)
        generator.wait_for(reason)
        if name != "none":  # that one is told before it looks for a trainer
            sink.wait_for(rf"\(pid {generator.pid}\).*({reason})")
    sink.send(signal.SIGINT)
    sink.done(130)


@pytest.mark.slow
def test_bad_photos_are_replaced_and_listed(start: Starter, photos: Path, tmp_path: Path) -> None:
    """In one run: a text, a torso, an empty file, a photo smaller than the patch."""
    alpha, beta = photos / "train" / "alpha", photos / "train" / "beta"
    (alpha / "00.jpg").write_text("not a photo")
    (alpha / "01.jpg").write_bytes((alpha / "01.jpg").read_bytes()[:3000])
    (alpha / "02.jpg").write_bytes(b"")
    (beta / "00.jpg").write_bytes(_jpeg(20, 40))
    bad = {f"train/{path}.jpg" for path in ("alpha/00", "alpha/01", "alpha/02", "beta/00")}
    out = tmp_path / "out"
    trainer = start.trainer(
        photos, "--patch", 32, "--epochs", 2, "--generators", 2, "--hash", "--out", out
    )
    said = trainer.done()
    assert "8 visits went to a substitute: the record itself is bad." in said
    assert f"Which records are bad, and why: {out}/quarantine.jsonl" in said
    rows = [json.loads(line) for line in (out / "quarantine.jsonl").read_text().splitlines()]
    for epoch in (1, 2):
        assert {row["path"] for row in rows if row["epoch"] == epoch} == bad
    assert len(rows) == 8
    assert all(row["reason"] and row["host"] and row["split"] == "train" for row in rows)
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    for row in report["splits"]["train"]:
        assert (row["bad"], row["seen"], row["missing"]) == (4, row["expected"], 0)

    result = tmp_path / "r.json"
    sink = start.sink(
        photos, "--patch", 32, "--epochs", 2, "--generators", 1, "--report", result
    )  # substitutes are the same whoever makes them, and whoever takes them
    assert "train/alpha/00.jpg on " in sink.done()
    assert json.loads(result.read_text())["splits"] == untold(report["splits"])


def _jpeg(height: int, width: int) -> bytes:
    import numpy as np
    import simplejpeg

    return simplejpeg.encode_jpeg(np.zeros((height, width, 3), np.uint8))


def test_every_photo_smaller_than_the_patch(start: Starter, photos: Path) -> None:
    sink = start.sink(photos, "--patch", 256, "--generators", 2)
    said = sink.done(2)
    assert "error: " in said and "every record of class " in said
    assert "160 x 120 px, smaller than the patch of 256: use --patch 120 or less" in said
    assert start.no_orphans()


def test_a_run_is_never_overwritten(start: Starter, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.json").touch()
    said = start.trainer(photos, "--out", tmp_path / "out").done(2)
    assert f"error: {tmp_path}/out exists already and is not empty: choose another" in said
    said = start.trainer(photos, "--out", tmp_path / "out" / "report.json").done(2)
    assert "is a file, not a folder" in said


def test_a_report_that_cannot_be_written_is_told_at_the_start(start: Starter, photos: Path) -> None:
    for place, message in (("/proc/r.json", "cannot write /proc/r.json"), ("/tmp", "is a folder")):
        script = start.sink(photos, "--report", place)
        script.done(2)
        assert script.wait_for(f"^error: .*{message}")


Mount = Callable[[str], Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a small file system: mount("size=1m"), mount("ro")."""
    made: list[Path] = []

    def make(options: str) -> Path:
        folder = tmp_path / f"mount{len(made)}"
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if os.geteuid() or subprocess.run(words, capture_output=True).returncode:
            pytest.skip("only root may mount a file system that is full or read-only")
        made.append(folder)
        return folder

    yield make
    for folder in made:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_an_output_folder_that_is_read_only_or_full(
    start: Starter, photos: Path, mount: Mount
) -> None:
    read_only, full = mount("ro"), mount("size=1m")
    with pytest.raises(OSError, match="No space"):
        (full / "ballast").write_bytes(bytes(2**21))
    for folder, message in (
        (read_only, "the file system is read-only: choose a writable folder with --out"),
        (full, "the disk is full: free some space, or choose another folder with --out"),
    ):
        script = start.trainer(photos, "--out", folder / "run")
        script.done(2)
        assert script.wait_for(f"^error: .*{message}")


@pytest.mark.slow
@pytest.mark.parametrize("room", ["200k", "2m", "24m"])
def test_a_disk_that_fills_during_the_run(
    start: Starter, photos: Path, mount: Mount, room: str
) -> None:
    """Wherever the room ends: the event log, a checkpoint, the second checkpoint."""
    out = mount(f"size={room}") / "run"
    trainer = start.trainer(photos, "--patch", 32, "--epochs", 50, "--generators", 1, "--out", out)
    said = trainer.done(2)
    assert "error: cannot write " in said and "the disk is full: free some space" in said
    assert start.no_orphans()
    assert not list(out.glob(".*.tmp*"))
