"""A task from a file as a user runs it: here, on other hosts, resumed, and with mistakes in it."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from bench.lab.processes import ROOT, Starter
from pushfit.training import trained_run
from tests.support.own_tasks import GOOD, with_method, write_task
from tests.support.photos import write_photos
from tests.support.reports import hashes, report_of

PHOTOS, CLICKS = ROOT / "examples" / "photos.py", ROOT / "examples" / "clicks.py"
SMALL = ("--size", 32, "--lease-bytes", "20KB", "--epochs", 2)


def write_masked(links: Path, train: int = 12, val: int = 4) -> Path:
    """Photos of 96 × 64 pixels with two bright rectangles each on dark noise, and their masks."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        (links / split).mkdir(parents=True)
        for number in range(count):
            photo = rng.integers(0, 60, (64, 96, 3)).astype(np.uint8)
            mask = np.zeros((64, 96), np.uint8)
            for level, left in ((100, 5), (200, 55)):
                top, side = int(rng.integers(5, 30)), int(rng.integers(15, 30))
                where = slice(top, top + side), slice(left, left + side)
                photo[where], mask[where] = rng.integers(120, 255, 3), level
            file = links / split / f"{number:02}.jpg"
            file.write_bytes(simplejpeg.encode_jpeg(photo, quality=90))
            Image.fromarray(mask).save(file.with_suffix(".mask.png"))
    return links


def test_the_example_is_short() -> None:
    assert len(PHOTOS.read_text().splitlines()) <= 40


@pytest.mark.slow
def test_the_stream_of_the_example_is_the_same_for_any_fleet(
    start: Starter, tmp_path: Path
) -> None:
    links, streams = write_photos(tmp_path / "links", train=40, val=0), {}
    for fleet in (1, 2, 4):
        report = tmp_path / f"{fleet}.json"
        flags = ("--task", PHOTOS, *SMALL, "--report", report, "--generators", fleet)
        start.sink(links, *flags).done()
        streams[fleet] = hashes(report_of(report))
        assert report_of(report)["task"] == "photos"
    assert streams[1] == streams[2] == streams[4]
    assert len(set(streams[1])) == 3  # augmented anew each epoch; those held out stay as they are


@pytest.mark.slow
def test_the_example_is_trained_and_opened_again(start: Starter, tmp_path: Path) -> None:
    links, out = write_photos(tmp_path / "links", train=60, val=0), tmp_path / "out"
    flags = ("--task", PHOTOS, *SMALL, "--hidden", 4, "--generators", 2, "--out", out)
    said = start.trainer(links, *flags, "--learning-rate", 0.003, "--batch-size", 8).done()
    assert "Every sample was handed to fit and trained on exactly once" in said
    report = json.loads((out / "report.json").read_text())
    assert report["splits"]["train"][0]["seen"] == 108 and report["splits"]["val"][0]["seen"] == 12
    assert report["metrics"]["accuracy"] > 0.7  # dark noise and bright noise: soon told apart
    run = trained_run.find(out)
    assert (run.task.name, run.task.params.size, run.task.params.hidden) == ("photos", 32, 4)  # type: ignore[attr-defined]
    assert run.model().input_shape == (None, 32, 32, 3)


@pytest.mark.slow
def test_masks_as_targets_two_inputs_and_a_model_of_its_own(start: Starter, tmp_path: Path) -> None:
    links, out = write_masked(tmp_path / "links"), tmp_path / "out"
    flags = ("--task", CLICKS, "--side", 32, "--epochs", 3, "--batch-size", 8, "--out", out)
    said = start.trainer(links, *flags, "--generators", 2, "--learning-rate", 0.01).done()
    assert "Model     clicks (the task's own), " in said
    assert "Best held-out loss: 0." in said
    report = json.loads((out / "report.json").read_text())
    assert report["splits"]["train"][0]["seen"] == 12 * 4
    assert report["metrics"]["loss"] < 0.6  # all pixels alike: 0.69
    assert (out / "samples.png").is_file()
    more = start("train_zmq.py", "--resume", "--out", out, "--epochs", 4, "--generators", 1)
    assert "at epoch 4, batch 1 of 6" in more.done()
    assert "Best held-out loss" in more.output


BUILDS = {
    "raises": ("return self.net", (), r"build_model\(\) raised AttributeError: .* \(mytask.py:\d+"),
    "other": ("return 'net'", (), r"build_model\(\) returned 'net', no keras.Model"),
    "weights": (
        "import keras\n    return keras.Sequential([keras.Input((4,))])",
        ("--weights", "imagenet", "--model", "mobilenet"),
        "--weights imagenet: task dots builds a model of its own",
    ),
    "other input": (
        "import keras\n    parts = [keras.Input((4,)), keras.layers.Dense(2)]\n"
        "    return keras.Sequential(parts, name='net')",
        (),
        r"the model net cannot be trained on what to_fit\(\) returns, "
        r"x as uint8\[2, 64, 64, 3\], y as int32\[2\]: it takes \(None, 4\) and gives "
        r"\(None, 2\)\. Keras says ValueError: ",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", BUILDS)
def test_a_model_of_its_own_that_is_none(
    start: Starter, photos: Path, tmp_path: Path, how: str
) -> None:
    body, flags, says = BUILDS[how]
    source = with_method(f"def build_model(self, classes):\n    {body}")
    task = write_task(tmp_path / "mytask.py", source)
    more = ("--task", task, "--generators", 1, "--out", tmp_path / "out", *flags)
    trainer = start.trainer(photos, *more)
    trainer.done(2)
    trainer.wait_for(f"error: .*{says}")


@pytest.mark.slow
def test_generators_elsewhere_need_the_same_file(start: Starter, tmp_path: Path) -> None:
    links = write_photos(tmp_path / "links", train=40)
    trainer = start.sink(links, "--task", write_task(tmp_path / "here.py"), "--size", 16)
    there = [
        ((), "this generator was started without one"),
        (("--task", "camera"), "this generator was started without one"),
        (("--task", PHOTOS), "this generator has the task 'photos'"),
        (
            ("--task", write_task(tmp_path / "changed.py", GOOD + "\n")),
            "this generator has another version of it, [0-9a-f]{16}",
        ),
    ]
    for flags, why in there:
        message = (
            r"the trainer runs the task 'dots' from a user's file \([0-9a-f]{16}\), "
            rf"and {why}: copy that file here"
        )
        generator = start.generator(links, trainer.port, *flags)
        generator.done(2)
        generator.wait_for(f"^error: {message}|\nerror: {message}")
        trainer.wait_for(rf"pid {generator.pid}\) cannot take part: {message}")
    write_task(tmp_path / "elsewhere" / "renamed.py")
    good = start.generator(links, trainer.port, "--task", tmp_path / "elsewhere" / "renamed.py")
    assert "exactly once" in trainer.done()
    good.done()


def test_a_generator_whose_task_is_none_says_so(start: Starter, tmp_path: Path) -> None:
    for task, says in [
        (tmp_path / "gone.py", f"there is no file {tmp_path}/gone.py"),
        ("camra", "there is no 'camra', did you mean 'camera'"),
    ]:
        said = start.generator(tmp_path, 1, "--task", task, "--processes", 2).done(2)
        assert said.startswith(f"error: task: {says}") and len(said.splitlines()) == 1


@pytest.mark.slow
def test_a_generator_in_the_environment_of_its_trainer_simply_works(
    start: Starter, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSHFIT_TASK", "camera")
    monkeypatch.setenv("PUSHFIT_PATCH", "32")
    trainer = start.sink(photos, "--epochs", 1)
    start.generator(photos, trainer.port).done()
    assert "exactly once" in trainer.done()
    monkeypatch.delenv("PUSHFIT_PATCH")
    monkeypatch.setenv("PUSHFIT_TASK", str(write_task(tmp_path / "mytask.py")))
    monkeypatch.setenv("PUSHFIT_SIZE", "16")
    trainer = start.sink(photos, "--epochs", 1)
    start.generator(photos, trainer.port).done()
    assert "exactly once" in trainer.done()


@pytest.mark.slow
def test_resumed_with_the_same_file_from_wherever_it_is(start: Starter, tmp_path: Path) -> None:
    links, out = write_photos(tmp_path / "links", train=40), tmp_path / "out"
    task, moved = write_task(tmp_path / "mytask.py"), tmp_path / "moved" / "mytask.py"
    flags = ("--task", task, "--size", 16, "--no-tensorboard", "--out", out, "--generators", 1)
    start.trainer(links, *flags, "--epochs", 1).done()
    again = ("train_zmq.py", "--resume", "--out", out, "--epochs", 2)
    moved.parent.mkdir()
    shutil.move(task, moved)
    said = start(*again).done(2)
    assert f"error: task: there is no file {task}. The run before was made with it" in said
    moved.write_text(GOOD.replace("0.5", "0.25", 1))
    said = start(*again, "--task", moved).done(2)
    assert f"was made by another version of {moved}, or of what that imports" in said
    write_task(moved)
    said = start(*again, "--task", moved).done()
    assert "at epoch 2, batch 1 of" in said


ARRAYS = with_method("def arrays(self):\n    return ()")
TO_FIT = with_method("def to_fit(self, batch):\n    return batch['picture']")
SCAN = with_method("def scan(self, links):\n    return 1 / 0")
MISTAKES = {
    "no such file": (None, "there is no file"),
    "not Python": ("def (:", r"mytask\.py line 1 is not Python"),
    "no task in it": ("x = 1", "holds no task"),
    "arrays": (ARRAYS, r"task dots: arrays\(\) returned a tuple"),
    "to_fit": (TO_FIT, r"KeyError: 'picture' \(mytask.py:\d+ in to_fit"),
    "scan": (SCAN, r"scan\(\) raised ZeroDivisionError: .* \(mytask.py:\d+ in scan"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_before_anything_is_started(
    start: Starter, photos: Path, tmp_path: Path, mistake: str
) -> None:
    source, says = MISTAKES[mistake]
    file = tmp_path / "mytask.py"
    if source is not None:
        write_task(file, source)
    trainer = start.trainer(photos, "--task", file, "--generators", 1, "--out", tmp_path / "out")
    trainer.done(2)
    trainer.wait_for(f"^error: .*{says}")
    assert len(trainer.lines) == 1  # and before Keras is imported
    assert not (tmp_path / "out").exists()


SLIPS = {
    "dtype": ("return image / 255", r"'image' as float64\[32, 32, 3\], not uint8\[32, 32, 3\]"),
    "shape": (
        "return image[: 20 + rng.integers(9)]",
        r"'image' as uint8\[2\d, 32, 3\], not uint8\[32, 32, 3\]",
    ),
    "nothing": ("image[:] = 0", r"'image' as None, not uint8\[32, 32, 3\]"),
}


@pytest.mark.slow
@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_a_method_ends_the_run_and_names_the_record(
    start: Starter, tmp_path: Path, slip: str
) -> None:
    body, says = SLIPS[slip]
    links = write_photos(tmp_path / "links", train=40)
    task = write_task(
        tmp_path / "mytask.py", with_method(f"def augment(self, image, rng):\n    {body}")
    )
    sink = start.sink(links, "--task", task, *SMALL, "--generators", 2)
    sink.done(2)
    sink.wait_for(
        rf"error: .* lease \d+: task dots: sample\(\) of train/\w+/\d\d\.jpg returned {says}"
    )
    assert "is bad" not in sink.output  # no record was blamed
    assert start.no_orphans()


@pytest.mark.slow
def test_code_that_raises_over_one_record_makes_a_bad_record(
    start: Starter, tmp_path: Path
) -> None:
    links = write_photos(tmp_path / "links", train=40)
    method = (
        "def decode(self, data, record):\n"
        "    if record.path == 'train/alpha/07.jpg':\n        raise KeyError('seven')\n"
        "    return super().decode(data, record)"
    )
    task = write_task(tmp_path / "mytask.py", with_method(method))
    sink = start.sink(links, "--task", task, *SMALL, "--generators", 2)
    sink.done()
    sink.wait_for(
        r"train/alpha/07.jpg on \S+ is bad: KeyError: 'seven' \(mytask.py:\d+ in decode\)"
    )


@pytest.mark.slow
def test_ctrl_c(start: Starter, tmp_path: Path) -> None:
    links = write_photos(tmp_path / "links", train=40)
    sink = start.sink(links, "--task", PHOTOS, "--epochs", 5000, "--generators", 2)
    sink.wait_for("2 generators now")
    sink.send(signal.SIGINT)
    sink.done(130, seconds=10.0)
    assert start.no_orphans()
