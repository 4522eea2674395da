"""A prediction over a real stream, by models that read off the answer: figures and going on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
from msgspec.structs import replace

from pushfit.errors import ConfigError, DataError
from pushfit.predicting.ensemble import Group
from pushfit.predicting.journal import Journal
from pushfit.predicting.output_files import OutputFiles
from pushfit.predicting.prediction import Prediction
from pushfit.settings.programs.predict import PredictSettings
from pushfit.tasks import create
from pushfit.training.trained_run import Run
from tests.support.idx_files import write_digits
from tests.support.predicted import at_work

RECORDS = 47
CLASSES = tuple("0123456789")


class Reads:
    """Stands for a model: an image of `write_digits` tells its class by its grey.

    wrong: answers so many classes too high; interrupted: in the so-manieth call.
    """

    def __init__(self, wrong: int = 0, interrupted: int = 0) -> None:
        self.wrong, self.interrupted, self.calls = wrong, interrupted, 0

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        self.calls += 1
        if self.calls == self.interrupted:
            raise KeyboardInterrupt
        classes = (x.reshape(len(x), -1).min(axis=1) // 25 + self.wrong) % 10
        return np.eye(10, dtype=np.float32)[classes] * 0.5 + np.float32(0.05)


def group(
    *numbers: int,
    records: int = 4,
    classes: tuple[str, ...] = CLASSES,
    task: str = "digits",
    **params: Any,
) -> Group:
    """So many runs; that they are of the same parameters does not matter here."""
    made = create(task, params)
    runs = tuple(
        Run(Path(f"runs/{n}"), Path(f"runs/{n}/best.keras"), {"task": task}, classes, made)
        for n in numbers
    )
    return Group(runs, numbers, records, samples=1)


def predict(folder: Path, groups: list[Group], models: list[list[Reads]], **named: Any) -> Any:
    """The report of a prediction of the digits in `folder`, after one life of the process."""
    settings = PredictSettings(data=str(folder), generators=0, **named)
    output_files = OutputFiles(folder / "out.csv", overwrite=True)
    runs = [run for one in groups for run in one.runs]
    numbers = [one.numbers for one in groups]
    with Journal(output_files.part, {}, numbers) as journal:
        prediction = Prediction(settings, groups, journal)
        for number, each in enumerate(models):
            if not journal.is_complete(number):
                stream = prediction.open(number)
                with at_work(stream, folder):
                    prediction.predict(number, stream, each)
        report = prediction.write(output_files, sorted(runs, key=lambda run: run.path))
        assert prediction.summary(report, output_files)[-1] == f"Submission: {output_files.out}"
    return report


def test_figures_of_an_ensemble_and_of_each_of_its_runs(tmp_path: Path) -> None:
    write_digits(tmp_path, RECORDS, name="t10k")
    groups, models = [group(0, 2), group(1, records=9)], [[Reads(), Reads(1)], [Reads()]]
    report = predict(tmp_path, groups, models)
    assert (report["records"], report["labelled"], report["accuracy"]) == (RECORDS, RECORDS, 1.0)
    assert [run["run"] for run in report["runs"]] == ["runs/0", "runs/1", "runs/2"]
    assert [run["accuracy"] for run in report["runs"]] == [1.0, 1.0, 0.0]
    assert report["confusion"] == np.diag([5] * 7 + [4] * 3).tolist()
    rows = (tmp_path / "out.csv").read_text().splitlines()[1:]
    assert rows == [f"{n + 1},{n % 10}" for n in range(RECORDS)]


@pytest.mark.parametrize("at", [1, 2, 7, 12])
def test_interrupted_anywhere_nothing_is_predicted_twice(tmp_path: Path, at: int) -> None:
    write_digits(tmp_path, RECORDS, name="t10k")
    first, second, last = Reads(interrupted=at), Reads(), Reads()
    groups = [group(0), group(1)]
    with pytest.raises(KeyboardInterrupt):
        predict(tmp_path, groups, [[first], [Reads()]])
    assert not (tmp_path / "out.csv").exists()
    report = predict(tmp_path, groups, [[second], [last]])
    assert (at - 1) + second.calls == last.calls == -(-RECORDS // 4)
    assert report["accuracy"] == 1.0
    again = predict(tmp_path, groups, [[], []])  # all is there: only the files are written anew
    assert again["accuracy"] == 1.0 and again["records_per_second"] is None


def test_labels_that_the_runs_do_not_know(tmp_path: Path) -> None:
    write_digits(tmp_path, RECORDS, name="t10k")
    few = group(0, classes=("0", "1", "2", "3", "4"))
    with pytest.raises(DataError, match=r"idx3-ubyte/00005 has the label 5, .* 0 to 4"):
        predict(tmp_path, [few], [[Reads5()]])


class Reads5(Reads):
    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        return super().predict_on_batch(x)[:, :5]


def test_without_labels_there_are_no_figures(tmp_path: Path) -> None:
    write_digits(tmp_path, RECORDS, name="test")
    (tmp_path / "test-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="00000 is not known, as the data has no labels: put them"):
        predict(tmp_path, [group(0)], [[Reads()]], labelled=True)
    report = predict(tmp_path, [replace(group(0), records=50)], [[Reads()]], proba=True)
    assert (report["accuracy"], report["confusion"], report["labelled"]) == (None, None, 0)
    assert (tmp_path / "out.proba.csv").read_text().startswith("ImageId,0,1,")


def write_labelled(folder: Path) -> Group:
    """Photos in a folder a class, as grey as `Reads` wants them, the last of them broken."""
    for number, name in enumerate(("zero", "two", "two", "one", "one")):
        photo = np.full((40, 48, 3), 25 * ("zero", "one", "two").index(name) + 12, np.uint8)
        path = folder / name / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".jpg").write_bytes(simplejpeg.encode_jpeg(photo, quality=95))
    (folder / "two" / "9.jpg").write_bytes(b"broken")
    return group(0, task="camera", patch=16, classes=("zero", "one", "two"))


class ReadsThree(Reads):
    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        return super().predict_on_batch(x)[:, :3]


def test_photos_in_class_folders_are_judged_by_them(tmp_path: Path) -> None:
    group = write_labelled(tmp_path)
    report = predict(tmp_path, [group], [[ReadsThree()]], labelled=True)
    assert (report["records"], report["labelled"], report["accuracy"]) == (6, 5, 1.0)
    assert report["confusion"] == [[1, 0, 0], [0, 2, 0], [0, 0, 2]]
    assert (tmp_path / "out.confusion.csv").read_text().splitlines() == [
        "true class,zero,one,two", "zero,1,0,0", "one,0,2,0", "two,0,0,2",
    ]  # fmt: skip
    report = predict(tmp_path, [group], [[ReadsThree()]])
    assert (report["labelled"], report["accuracy"]) == (0, None)  # a folder may mean anything
    assert not (tmp_path / "out.confusion.csv").exists()


def test_with_equal_counts_every_class_is_given_as_often(tmp_path: Path) -> None:
    group = write_labelled(tmp_path)
    report = predict(tmp_path, [group], [[Undecided()]], equal_counts=True, labelled=True)
    assert report["predictions"] == {"zero": 2, "one": 2, "two": 2}
    report = predict(tmp_path, [group], [[Undecided()]])
    assert report["predictions"] == {"zero": 6, "one": 0, "two": 0}


class Undecided(ReadsThree):
    """Takes everything for the first class, but for a trace of the truth."""

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        said = super().predict_on_batch(x) * 0.1
        said[:, 0] += 0.9
        return said / said.sum(axis=1, keepdims=True)


def test_a_folder_that_is_no_class_is_refused_before_anything_starts(tmp_path: Path) -> None:
    group = write_labelled(tmp_path)
    (tmp_path / "two").rename(tmp_path / "twoo")
    settings = PredictSettings(data=str(tmp_path), generators=0, labelled=True)
    told = pytest.raises(DataError, match=r"in the folder 'twoo', .* did you mean 'two'")
    with Journal(tmp_path / "part", {}, [group.numbers]) as journal, told:
        Prediction(settings, [group], journal).open(0)


class Measures(Reads):
    """Stands for a regression of two numbers: the grey of an image, and its half."""

    def predict_on_batch(self, x: np.ndarray) -> Any:
        self.calls += 1
        if self.calls == self.interrupted:
            raise KeyboardInterrupt
        grey = x.reshape(len(x), -1).min(axis=1).astype(np.float32)
        return {"grey": grey, "half": grey[:, np.newaxis] / 2}


def test_a_regression_writes_its_numbers_and_goes_on_where_it_was(tmp_path: Path) -> None:
    write_digits(tmp_path, RECORDS, name="t10k")
    groups = [group(0, 1, classes=("all",))]
    with pytest.raises(KeyboardInterrupt):
        predict(tmp_path, groups, [[Measures(), Measures(interrupted=3)]])
    report = predict(tmp_path, groups, [[Measures(), Measures()]])
    assert (report["values"], report["accuracy"]) == (["value1", "value2"], None)
    header, *rows = (tmp_path / "out.csv").read_text().splitlines()
    assert header == "ImageId,value1,value2"
    greys = [float(row.split(",")[1]) for row in rows]
    assert len(rows) == RECORDS and greys[:10] == sorted(greys[:10]) and greys[0] < greys[9]
    assert all(float(row.split(",")[2]) == grey / 2 for row, grey in zip(rows, greys, strict=True))


def test_numbers_of_a_record_that_is_bad_are_left_empty(tmp_path: Path) -> None:
    write_labelled(tmp_path)
    one = group(0, task="camera", patch=16, classes=("all",))
    report = predict(tmp_path, [one], [[Measures()]])
    assert len(report["bad"]) == 1
    rows = (tmp_path / "out.csv").read_text().splitlines()
    assert rows[0] == "fname,value1,value2" and rows[5] == "9.jpg,,"
    assert (tmp_path / "out.bad.csv").read_text().splitlines()[1].startswith("9.jpg,")
    assert all(cell for row in (*rows[:5], rows[6]) for cell in row.split(","))


def test_runs_that_give_other_numbers_cannot_predict_together(tmp_path: Path) -> None:
    write_digits(tmp_path, RECORDS, name="t10k")
    few = Reads5()
    with pytest.raises(ConfigError, match="give different numbers of values for a record: 2 and 5"):
        predict(tmp_path, [group(0, 1, classes=("all",))], [[Measures(), few]])
