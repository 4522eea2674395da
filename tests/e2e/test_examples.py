"""The examples of tasks other than classes of photos: the same for any fleet, and trained on."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.lab.processes import ROOT, Starter
from tests.support.reports import hashes, report_of
from tests.support.scenes import scene

EXAMPLES = ROOT / "examples"


def segmentation(links: Path) -> tuple[object, ...]:
    for split, count in (("train", 10), ("val", 4)):
        (links / split).mkdir(parents=True)
        for number in range(count):
            photo = scene(90, 120, number)
            Image.fromarray(photo).save(links / split / f"{number}.jpg")
            classes = (photo[:, :, 0] > 128).astype(np.uint8)
            classes[:2] = 255
            Image.fromarray(classes).save(links / split / f"{number}.png")
    return "--side", 32, "--labels", 2


def detection(links: Path) -> tuple[object, ...]:
    (links / "photos").mkdir(parents=True)
    for split, count in (("train", 10), ("val", 4)):
        lines = []
        for number in range(count):
            Image.fromarray(scene(90, 120, number)).save(links / "photos" / f"{split}{number}.jpg")
            boxes = [
                [i, 2 * i, i + 40, 2 * i + 20, "cat" if i % 2 else "dog"] for i in range(number)
            ]
            lines.append(json.dumps({"path": f"photos/{split}{number}.jpg", "boxes": boxes}))
        (links / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    return "--side", 32, "--most", 12


def spectrograms(links: Path) -> tuple[object, ...]:
    for split, name, pitch in (
        ("train", "high", 900), ("train", "low", 200), ("val", "high", 800), ("val", "low", 150),
    ):  # fmt: skip
        (links / split / name).mkdir(parents=True)
        for number in range(6):
            time = np.arange(3000 + 500 * number) / 8000
            sound = (8000 * np.sin(2 * np.pi * pitch * time)).astype("<i2")
            with wave.open(str(links / split / name / f"{number}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(8000)
                file.writeframes(sound.tobytes())
    return "--rate", 8000, "--seconds", 0.5


def text(links: Path) -> tuple[object, ...]:
    links.mkdir(parents=True)
    for split, count in (("train", 20), ("val", 6)):
        rows = [f"{'even' if n % 2 else 'odd'}\t{'wörd ' * (n + 1)}\n" for n in range(count)]
        (links / f"{split}.tsv").write_text("".join(rows), encoding="utf-8")
    return "--longest", 64


def series(links: Path) -> tuple[object, ...]:
    links.mkdir(parents=True)
    steps = np.sin(np.arange(900)[:, np.newaxis] / np.array([5, 9])).astype(np.float32)
    np.save(links / "series.npy", steps)
    return "--window", 16


def synthetic(links: Path) -> tuple[object, ...]:
    links.mkdir(parents=True)
    return "--side", 16, "--pictures", 10


KINDS: dict[str, Callable[[Path], tuple[object, ...]]] = {
    each.__name__: each for each in (segmentation, detection, spectrograms, text, series, synthetic)
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_an_example_has_one_stream_for_any_fleet_and_is_trained_on(
    start: Starter, tmp_path: Path, name: str
) -> None:
    links = tmp_path / "links"
    flags = ("--task", EXAMPLES / f"{name}.py", *KINDS[name](links), "--batch-size", 4)
    streams = []
    for fleet in (1, 2):
        report = tmp_path / f"{fleet}.json"
        small = ("--epochs", 2, "--lease-bytes", "20KB", "--generators", fleet)
        start.sink(links, *flags, *small, "--report", report).done()
        streams.append(hashes(report_of(report)))
    assert streams[0] == streams[1]
    assert len(set(streams[0])) == 3  # two epochs of training, and validation, which is the same
    out = tmp_path / "out"
    said = start.trainer(
        links, *flags, "--epochs", 1, "--generators", 1, "--no-tensorboard", "--out", out
    ).done()
    assert "Every sample was handed to fit and trained on exactly once" in said
    report = json.loads((out / "report.json").read_text())
    assert report["task"] == name
    assert np.isfinite(report["metrics"]["loss"])


@pytest.mark.parametrize(
    ("name", "broken", "said"),
    [
        (
            "segmentation",
            lambda links: (links / "train" / "3.png").unlink(),
            "3.jpg has no classes",
        ),
        ("detection", lambda links: (links / "val.jsonl").write_text("{}\n"), "val.jsonl, line 1"),
        (
            "text",
            lambda links: (links / "train.tsv").write_text("a b\n"),
            "train.tsv, line 1: write",
        ),
        (
            "series",
            lambda links: np.save(links / "series.npy", np.zeros(5)),
            "float64 of the shape",
        ),
    ],
)
def test_data_that_does_not_fit_an_example_is_told(
    start: Starter, tmp_path: Path, name: str, broken: Callable[[Path], object], said: str
) -> None:
    links = tmp_path / "links"
    flags = KINDS[name](links)
    broken(links)
    script = start.sink(links, "--task", EXAMPLES / f"{name}.py", *flags, "--generators", 1)
    script.done(2)
    assert script.wait_for(f"^error: .*{said}")
