"""A prediction over a real stream, by models that read off the answer: figures and going on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from cfg.base import PredictSettings
from lib.errors import DataError
from lib.predicting.ensemble import Group
from lib.predicting.forms import Forms
from lib.predicting.partial import Partial
from lib.predicting.prediction import Prediction
from lib.tasks import create
from lib.trainer.runs import Run
from tests.predicting.test_stream import at_work
from tests.tasks.idx_files import write_digits

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


def group(*numbers: int, records: int = 4, classes: tuple[str, ...] = CLASSES) -> Group:
    """So many runs; that they are of the same parameters does not matter here."""
    task = create("digits", {})
    runs = tuple(
        Run(Path(f"runs/{n}"), Path(f"runs/{n}/best.keras"), {"task": "digits"}, classes, task)
        for n in numbers
    )
    return Group(runs, numbers, records, samples=1)


def predict(folder: Path, groups: list[Group], models: list[list[Reads]], **named: Any) -> Any:
    """The report of a prediction of the digits in `folder`, after one life of the process."""
    settings = PredictSettings(data=str(folder), generators=0, **named)
    forms = Forms(folder / "out.csv", overwrite=True)
    runs = [run for one in groups for run in one.runs]
    numbers = [one.numbers for one in groups]
    with Partial(forms.part, {}, numbers, len(groups[0].first.classes)) as partial:
        prediction = Prediction(settings, groups, partial)
        for number, each in enumerate(models):
            if not partial.is_complete(number):
                stream = prediction.open(number)
                with at_work(stream, folder):
                    prediction.predict(number, stream, each)
        report = prediction.write(forms, sorted(runs, key=lambda run: run.path))
        assert prediction.summary(report, forms)[-1] == f"Submission: {forms.out}"
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
    report = predict(tmp_path, [replace(group(0), records=50)], [[Reads()]], proba=True)
    assert (report["accuracy"], report["confusion"], report["labelled"]) == (None, None, 0)
    assert (tmp_path / "out.proba.csv").read_text().startswith("ImageId,0,1,")
