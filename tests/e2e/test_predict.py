"""`predict.py` as a user runs it: the same file from any fleet, after any kill; what is refused."""

from __future__ import annotations

import json
import re
import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from bench.lab.processes import Script, Starter, free_port, until
from tests.support.idx_files import write_digits
from tests.support.photos import write_photos

RECORDS = 1500
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a digits run and a copy of it, a camera run, and digits to predict."""
    folder = tmp_path_factory.mktemp("trained")
    write_digits(folder / "links", 600)
    write_digits(folder / "test", RECORDS, name="t10k")
    write_photos(folder / "photos")
    starter = Starter(uuid.uuid4().hex)
    flags = ("--generators", 1, "--epochs", 1, "--no-tensorboard")
    try:
        digits = ("--task", "digits", "--out", folder / "digits1")
        camera = ("--patch", 32, "--flag", "--out", folder / "camera1")
        one = starter.trainer(folder / "links", *flags, *digits)
        starter.trainer(folder / "photos", *flags, *camera).done()
        one.done()
        shutil.copytree(folder / "digits1", folder / "digits2")
        yield folder
    finally:
        starter.close()


def predict(start: Starter, out: Path, *words: object) -> Script:
    return start("predict.py", "--out", out, "--progress", "lines", *words)


@pytest.fixture(scope="module")
def asked(trained: Path) -> tuple[object, ...]:
    """Words of a prediction that takes a while."""
    named = ("--run", trained / "digits1", "--data", trained / "test")
    return (*named, "--proba", "--samples", 3, "--batch-size", 30)


@pytest.fixture(scope="module")
def whole(trained: Path, asked: tuple[object, ...]) -> Iterator[Path]:
    """What that comes to, undisturbed: out.csv, out.proba.csv, report.json."""
    starter, folder = Starter(uuid.uuid4().hex), trained / "whole"
    try:
        predict(starter, folder / "out.csv", *asked, "--report", folder / "report.json").done()
        yield folder
    finally:
        starter.close()


def assert_same(folder: Path, whole: Path) -> None:
    for name in ("out.csv", "out.proba.csv"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()
    assert not list(folder.glob("*.part")) and not list(folder.glob("*.bad.csv"))


def test_every_record_has_its_row_and_the_figures_are_theirs(whole: Path) -> None:
    rows = (whole / "out.csv").read_text().splitlines()
    assert rows[0] == "ImageId,Label"
    assert [row.partition(",")[0] for row in rows[1:]] == [str(n + 1) for n in range(RECORDS)]
    right = [row == f"{n + 1},{n % 10}" for n, row in enumerate(rows[1:])]
    told = json.loads((whole / "report.json").read_text())
    assert told["accuracy"] == pytest.approx(np.mean(right))
    assert told["runs"][0]["accuracy"] == told["accuracy"]
    assert (told["records"], told["bad"]) == (RECORDS, [])
    assert np.sum(told["confusion"]) == RECORDS
    assert np.trace(told["confusion"]) == sum(right)


def test_two_generators_give_the_same_file(
    start: Starter, asked: tuple[object, ...], whole: Path, tmp_path: Path
) -> None:
    said = predict(start, tmp_path / "out.csv", *asked, "--generators", 2).done()
    told = json.loads((whole / "report.json").read_text())
    assert f"Accuracy: {told['accuracy']:.2%}" in said
    assert_same(tmp_path, whole)


def test_killed_and_resumed_it_gives_the_same_file(
    start: Starter, asked: tuple[object, ...], whole: Path, tmp_path: Path
) -> None:
    out, part = tmp_path / "out.csv", tmp_path / "out.csv.part"
    for more in (55_000, 75_000):  # bytes: the names take 50,000, and all comes to 130,000
        killed = predict(start, out, *asked)
        assert until(lambda: part.is_file() and part.stat().st_size > more)  # noqa: B023
        killed.send(signal.SIGKILL)
        assert killed.finish() == -signal.SIGKILL
        assert not out.exists()
    refused = predict(start, out, *asked, "--samples", 4)
    assert "not the same --batch-size, --samples. Finish that prediction first" in refused.done(2)
    said = predict(start, out, *asked).done()
    assert re.search(r"Resuming after [\d,]+ of 1,500 records", said)
    assert_same(tmp_path, whole)


def test_ctrl_c_says_how_to_go_on(start: Starter, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    asked = ("--run", trained / "digits1", "--data", trained / "test", "--batch-size", 10)
    script = predict(start, out, *asked, "--samples", 10)
    assert until(lambda: out.with_name("out.csv.part").is_file()) and script.wait_for("joined")
    script.send(signal.SIGINT)
    assert "The same command resumes" in script.done(130)
    assert not out.exists()


def test_an_ensemble_over_two_kinds_of_samples_and_a_fleet_from_elsewhere(
    start: Starter, trained: Path, tmp_path: Path
) -> None:
    test, report, out = trained / "test", tmp_path / "report.json", tmp_path / "new" / "out.csv"
    port = free_port()
    turned = tmp_path / "digits3"
    trainer = start.trainer(
        trained / "links", "--task", "digits", "--epochs", 1, "--rotation", 20,
        "--generators", 1, "--no-tensorboard", "--out", turned,
    )  # fmt: skip
    trainer.done()
    script = predict(
        start, out, "--run", f"{trained / 'digits1'},{turned}", "--run", trained / "digits2",
        "--combine", "majority", "--generators", 0, "--bind", f"tcp://127.0.0.1:{port}",
        "--report", report,
    )  # fmt: skip
    fleet = start.generator(test, port, "--processes", 2)
    said = script.done()
    fleet.done()  # it stayed for the second stream, and went after it
    told = json.loads(report.read_text())
    assert [run["run"] for run in told["runs"]] == [
        str(trained / "digits1"), str(turned), str(trained / "digits2"),
    ]  # fmt: skip
    assert told["accuracy"] is not None and "Each run alone: " in said
    assert len(out.read_text().splitlines()) == RECORDS + 1


def test_a_photo_that_is_broken_has_its_row_and_is_listed(
    start: Starter, trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "test").mkdir()
    rng = np.random.default_rng(0)
    for number in range(8):
        photo = np.clip(rng.normal(60 + 120 * (number % 2), 30, (120, 160, 3)), 0, 255)
        name = f"img_{number}_{'manip' if number > 3 else 'unalt'}.jpg"
        jpeg = simplejpeg.encode_jpeg(photo.astype(np.uint8))
        (tmp_path / "test" / name).write_bytes(jpeg[: 500 if number == 2 else None])
    asked = ("--run", trained / "camera1", "--data", tmp_path, "--proba", "--samples", 2)
    said = predict(start, tmp_path / "out.csv", *asked).done(1)
    assert "1 record could not be used and is answered blindly, with 'alpha'" in said
    rows = (tmp_path / "out.csv").read_text().splitlines()
    assert rows[0] == "fname,camera"
    names = sorted(path.name for path in (tmp_path / "test").iterdir())
    assert [row.partition(",")[0] for row in rows[1:]] == names
    assert rows[3] == "img_2_unalt.jpg,alpha"
    assert (tmp_path / "out.proba.csv").read_text().splitlines()[3] == "img_2_unalt.jpg,0.5,0.5"
    listed = (tmp_path / "out.bad.csv").read_text().splitlines()
    assert len(listed) == 2 and listed[1].startswith("img_2_unalt.jpg,test/img_2_unalt.jpg,")


def test_labelled_photos_are_looked_at_by_a_grid_and_answered_with_equal_counts(
    start: Starter, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained / "photos" / "train", tmp_path / "photos")
    camera = ("--run", trained / "camera1", "--data", tmp_path / "photos", "--labelled", "--proba")
    views = ("--grid", 2, "--each-manipulation", "--generators", 2)
    out, report = tmp_path / "a.csv", tmp_path / "a.json"
    said = predict(start, out, *camera, *views, "--report", report).done()
    told = json.loads(report.read_text())
    assert told["labelled"] == told["records"] == len(out.read_text().splitlines()) - 1
    assert f"Accuracy: {told['accuracy']:.2%} of {told['records']} labelled records" in said
    assert re.search(r"alpha +\d+ +\d+ +\d", said) and "Predictions: alpha " in said
    table = (tmp_path / "a.confusion.csv").read_text().splitlines()
    assert table[0] == "true class," + ",".join(told["classes"])
    predict(start, tmp_path / "b.csv", *camera).done()
    files = f"{tmp_path / 'a.proba.csv'},{tmp_path / 'b.proba.csv'}"
    words = ("--submissions", files, "--combine", "geometric", "--equal-counts")
    said = start("predict.py", "--out", tmp_path / "c.csv", *words).done()
    rows = [row.rpartition(",")[2] for row in (tmp_path / "c.csv").read_text().splitlines()[1:]]
    counts = [rows.count(name) for name in told["classes"]]
    assert sum(counts) == told["records"] and max(counts) - min(counts) <= 1
    (tmp_path / "photos" / "alpha").rename(tmp_path / "photos" / "alhpa")
    said = predict(start, tmp_path / "d.csv", *camera).done(2)
    assert (
        "lies in the folder 'alhpa', which is not a class of the run, did you mean 'alpha'" in said
    )


def test_what_cannot_be_is_refused_with_its_place(
    start: Starter, trained: Path, tmp_path: Path
) -> None:
    digits, camera, test = trained / "digits1", trained / "camera1", trained / "test"
    empty, table, out = tmp_path / "empty", tmp_path / "table", tmp_path / "out.csv"
    empty.mkdir()
    table.mkdir()
    header = ",".join(f"pixel{number}" for number in range(784))
    row = ",".join(["0"] * 784)
    (table / "test.csv").write_text(f"{header}\n{row}\n{row[:-1]}256\n")
    shutil.copy(digits / "best.keras", tmp_path / "plain.keras")
    cases = [
        (("--data", test), "there is no run to predict with: give --run"),
        (("--run", digits), "there are no records to predict: give --data"),
        (("--run", tmp_path / "gone", "--data", test), "there is no run"),
        (("--run", empty, "--data", test), "holds no model, neither best.keras nor last.keras"),
        (("--run", camera, "--data", test), "(" + f"{camera} is a run of the task camera)"),
        (("--run", digits, "--data", trained / "photos"), "is a run of the task digits)"),
        (("--run", digits, "--run", camera, "--data", test), "only runs of one task"),
        (("--run", digits, "--data", test, "--grid", 2), "the task digits has no --grid"),
        (
            ("--run", digits, "--data", table),
            "test.csv, line 3, column 'pixel783': '256' is not a whole number",
        ),
        (("--run", digits, "--data", test, "--samples", 0), "--samples on the command line: '0'"),
    ]
    for words, says in cases:
        said = predict(start, out, *words).done(2)
        assert says in said, said
        assert not out.exists() and not list(tmp_path.glob("*.part*")), words
    said = predict(start, out, "--submissions", "gone.csv,lost.csv").done(2)
    assert "--submissions: gone.csv: No such file" in said and not out.exists()
    out.write_text("mine")
    said = predict(start, out, "--run", tmp_path / "plain.keras", "--data", test).done(2)
    assert "exists already" in said and out.read_text() == "mine"
