"""The examples of augmentations: two views of a photo, and the libraries of others."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.lab.processes import ROOT, Starter
from tests.support.photos import write_photos
from tests.support.reports import hashes, report_of

EXAMPLES = ROOT / "examples"
SMALL = ("--size", 32, "--lease-bytes", "40KB", "--batch-size", 16)


def streams(start: Starter, tmp_path: Path, example: str) -> list[list[str]]:
    """The hashes of the streams of an example with one generator, and with two."""
    links = write_photos(tmp_path / "links", train=30, val=0)
    found = []
    for fleet in (1, 2):
        report = tmp_path / f"{fleet}.json"
        flags = ("--task", EXAMPLES / example, *SMALL, "--epochs", 2, "--generators", fleet)
        start.sink(links, *flags, "--report", report).done()
        found.append(hashes(report_of(report)))
    return found


@pytest.mark.slow
def test_two_views_are_learnt_from_and_are_the_same_for_any_fleet(
    start: Starter, tmp_path: Path
) -> None:
    one, two = streams(start, tmp_path, "two_views.py")
    assert one == two and len(set(one)) == 3  # two epochs, and what is held out
    links, out = tmp_path / "links", tmp_path / "out"
    flags = ("--task", EXAMPLES / "two_views.py", *SMALL, "--generators", 2, "--out", out)
    said = start.trainer(links, *flags, "--epochs", 4, "--learning-rate", 0.003).done()
    assert "Every sample was handed to fit and trained on exactly once" in said
    report = json.loads((out / "report.json").read_text())
    assert report["splits"]["train"][0]["seen"] == 54
    assert 0 < report["metrics"]["loss"] < 3.3  # chance, among 31 other views: 3.4
    assert (out / "samples.png").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("library", ["albumentations", "torchvision"])
def test_augmentations_of_others_are_the_same_for_any_fleet(
    start: Starter, tmp_path: Path, library: str
) -> None:
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    one, two = streams(start, tmp_path, f"{library}_photos.py")
    assert one == two and len(set(one)) == 3


def test_two_views_are_described_as_a_task(start: Starter, tmp_path: Path) -> None:
    task, links = EXAMPLES / "two_views.py", write_photos(tmp_path / "links")
    said = start("-m", "pushfit", "config", "--task", task, "--links", links).done()
    assert "task two_views" in said


@pytest.mark.parametrize("library", ["albumentations", "torchvision"])
def test_a_library_that_is_not_there_is_named(start: Starter, tmp_path: Path, library: str) -> None:
    task, links = EXAMPLES / f"{library}_photos.py", write_photos(tmp_path / "links")
    config = start("-m", "pushfit", "config", "--task", task, "--links", links)
    if find_spec(library) is None:
        assert f"names '{library}', which is not installed here: install it" in config.done(2)
    else:
        assert f"task {library}_photos" in config.done()
