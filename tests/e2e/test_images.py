"""The task images as a user trains on it: folders, shards and lists, resume, prediction."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench.lab.processes import ROOT, Starter
from tests.support import pages
from tests.support.photos import write_photos
from tests.support.reports import hashes, report_of
from tests.support.shards import write_shards
from tests.support.tars import put

FLAGS = ("--task", "images", "--size", 32, "--batch-size", 8)
AUGMENTED = ("--policy", "randaugment", "--jitter", "0.4,0.4,0.4,0.1", "--erasing", "0.5")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.slow
def test_the_stream_is_the_same_for_any_fleet(start: Starter, tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", train=12, val=3)
    shards = write_shards(photos, tmp_path / "shards")
    for links, more in ((photos, AUGMENTED), (shards, ("--shuffle-groups", 2))):
        streams = []
        for fleet in (1, 3):
            report = tmp_path / f"{links.name}-{fleet}.json"
            what = ("--epochs", 2, "--lease-bytes", "12KB", "--report", report, *more)
            start.sink(links, *FLAGS, *what, "--generators", fleet).done()
            streams.append(hashes(report_of(report)))
        assert streams[0] == streams[1]
        assert len(set(streams[0])) == 3  # new crops each epoch, the same validation


@pytest.mark.slow
def test_a_run_is_trained_resumed_and_predicted_with(start: Starter, tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", train=12, val=3)
    links, out = write_shards(photos, tmp_path / "links"), tmp_path / "out"
    flags = (*FLAGS, "--epochs", 1, "--no-tensorboard", "--generators", 1, "--model", "smallcnn")
    script = start.trainer(links, *flags, "--out", out)
    assert "trained on exactly once" in script.done()
    again = ("--resume", "--out", out, "--epochs", 2, "--bind", "tcp://127.0.0.1:0")
    assert "trained on exactly once" in start("train_zmq.py", *again).done()
    some = sorted((photos / "val_images").glob("*/*.jpg"))
    files = [(f"{photo.parent.name}/{photo.name}", photo.read_bytes()) for photo in some]
    put(links, files, "test/x.tar")
    where = ("--data", links, "--out", tmp_path / "p.csv", "--labelled", "--generators", 1)
    said = start("predict.py", "--run", out, *where, "--bind", "tcp://127.0.0.1:0").done()
    rows = (tmp_path / "p.csv").read_text().splitlines()
    assert len(rows) == 1 + len(some)
    assert re.search(r"accuracy", said, re.IGNORECASE)


@pytest.mark.slow
def test_the_example_of_the_page_runs(start: Starter, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "images.md").read_text(encoding="utf-8")
    match = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert match
    task = tmp_path / "inverted.py"
    task.write_text(match[1])
    links, report = write_photos(tmp_path / "photos"), tmp_path / "r.json"
    flags = ("--task", task, "--size", 16, "--batch-size", 4, "--epochs", 1, "--report", report)
    start.sink(links, *flags, "--generators", 1).done()
    assert json.loads(report.read_text())["task"] == "inverted"


def test_mistakes_are_told_at_once(start: Starter, tmp_path: Path) -> None:
    links = write_photos(tmp_path / "photos")
    for wrong, said in (
        (("--scale", "0.9"), "scale: 1 numbers, but it takes two"),
        (("--policy-ops", 3), "policy_ops: 3 applies to the policy randaugment alone"),
        (("--list", "no.csv"), "--list no.csv: there is no such file"),
    ):
        script = start.trainer(links, "--task", "images", *wrong, "--generators", 1)
        script.done(2)
        assert script.wait_for(f"^error: .*{said}")
        assert len(script.lines) == 1


@pytest.mark.slow
def test_the_first_command_of_the_page(start: Starter, tmp_path: Path) -> None:
    links, out = write_photos(tmp_path / "photos"), tmp_path / "out"
    words = pages.IMAGES.split()[1:]
    arguments = [str(links) if each == "DIR" else each for each in words]
    more = ("--epochs", 1, "--no-tensorboard", "--out", out, "--bind", "tcp://127.0.0.1:0")
    assert "trained on exactly once" in start("-m", "pushfit", *arguments, *more).done()
    assert report_of(out / "report.json")["data"]["records"] == {"train": 8, "val": 4}
