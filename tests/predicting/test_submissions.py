"""Files of answers are combined by their ids and classes; those that do not fit are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushfit.errors import ConfigError, DataError
from pushfit.predicting import submissions
from pushfit.predicting.combine import combine
from pushfit.predicting.submissions import merge
from pushfit.settings.programs.predict import PredictSettings

PROBA = "fname,x,y,z\n1.jpg,0.5,0.3,0.2\n2.jpg,0.1,0.8,0.1\n"
OTHER = "fname,z,y,x\n2.jpg,0.1,0.1,0.8\n1.jpg,0.2,0.6,0.2\n"  # other orders of rows and columns


def write(folder: Path, *texts: str) -> list[Path]:
    paths = [folder / f"{name}.csv" for name, _ in zip("abcdefgh", texts, strict=False)]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return paths


def test_probabilities_meet_by_record_and_class(tmp_path: Path) -> None:
    made = merge(write(tmp_path, PROBA, OTHER), "mean")
    assert (made.columns, made.classes) == (("fname", "camera"), ("x", "y", "z"))
    assert made.ids == ["1.jpg", "2.jpg"]
    wanted = np.array([[0.35, 0.45, 0.2], [0.45, 0.45, 0.1]])
    assert made.probabilities == pytest.approx(wanted)
    assert made.labels[0] == 1
    geometric = merge(write(tmp_path, PROBA, OTHER), "geometric")
    roots = np.sqrt([[0.1, 0.18, 0.04], [0.08, 0.08, 0.01]])
    assert geometric.probabilities == pytest.approx(roots / roots.sum(axis=1, keepdims=True))


def test_a_class_that_one_file_rules_out_can_still_win(tmp_path: Path) -> None:
    texts = ["id,x,y\n1,0,1\n", "id,x,y\n1,1,0\n", "id,x,y\n1,0.9,0.1\n"]
    made = merge(write(tmp_path, *texts), "geometric")
    assert made.columns == ("id", "label")
    assert made.labels.tolist() == [0]
    assert np.isfinite(made.probabilities).all()


def test_labels_are_voted_on_and_among_equals_the_first_file_decides(tmp_path: Path) -> None:
    texts = [
        "ImageId,Label\n1,7\n2,3\n3,9\n",
        "ImageId,Label\n3,1\n2,5\n1,2\n",
        "ImageId,Label\n1,2\n2,4\n3,9\n",
        "ImageId,Label\n1,7\n2,5\n3,1\n",
    ]
    made = merge(write(tmp_path, *texts), "majority")
    assert made.columns == ("ImageId", "Label")
    assert [made.classes[label] for label in made.labels] == ["7", "5", "9"]


def test_labels_and_probabilities_vote_together(tmp_path: Path) -> None:
    labels = "fname,camera\n1.jpg,y\n2.jpg,z\n"
    made = merge(write(tmp_path, PROBA, OTHER, labels), "majority")
    assert [made.classes[label] for label in made.labels] == ["y", "y"]
    assert made.columns == ("fname", "camera")


def test_a_record_that_one_file_could_not_see_is_decided_by_the_others(tmp_path: Path) -> None:
    blind, sure = "id,x,y\n1,0.5,0.5\n", "id,x,y\n1,0.4,0.6\n"
    assert merge(write(tmp_path, blind, sure), "majority").labels.tolist() == [1]
    assert combine(np.full((2, 1, 3), 1 / 3), "majority")[0].tolist() == [0]


@pytest.mark.parametrize(
    ("second", "how", "says"),
    [
        ("fname,x,y,z\n1.jpg,1,0,0\n3.jpg,1,0,0\n", "mean", r"1 of .*a\.csv are not in .*'2\.jpg'"),
        (PROBA + "3.jpg,1,0,0\n", "mean", r"1 of .*b\.csv are not in .*a\.csv, e\.g\. '3\.jpg'"),
        (PROBA.replace("fname", "id"), "mean", r"a\.csv and .*b\.csv .*: the records .*'fname' in"),
        (PROBA.replace("z", "w"), "mean", r"same classes: 'z' only in .*a\.csv; 'w' only in .*b\."),
        ("fname,camera\n1.jpg,x\n2.jpg,y\n", "mean", r"b\.csv holds labels, not .*with --proba"),
        (PROBA.replace("0.5", "0.7"), "mean", r"b\.csv, row 2: the numbers of '1\.jpg' are not"),
        (PROBA.replace("0.5", "nan"), "mean", r"row 2: the numbers of '1\.jpg' are not prob"),
        (PROBA.replace("0.5", "half"), "mean", r"b\.csv, row 2: 'half' is not a number"),
        (PROBA.replace("2.jpg", "1.jpg"), "mean", r"row 3: '1\.jpg' is also in an earlier row"),
        (PROBA + "3.jpg,1\n", "mean", r"b\.csv, row 4: 2 columns, but the header has 4"),
        (PROBA.replace("y", "x"), "mean", r"b\.csv: two columns are called 'x'"),
        ("fname,x,y,z\n", "mean", r"b\.csv holds no answers: its first line must name"),
        ("", "majority", r"b\.csv holds no answers"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_together_are_named(
    tmp_path: Path, second: str, how: submissions.How, says: str
) -> None:
    with pytest.raises(DataError, match=says):
        merge(write(tmp_path, PROBA, second), how)


def test_the_file_that_was_meant_is_named(tmp_path: Path) -> None:
    paths = write(tmp_path, PROBA, "fname,camera\n1.jpg,x\n2.jpg,y\n")
    (tmp_path / "b.proba.csv").write_text(PROBA)
    with pytest.raises(DataError, match=r"give .*b\.proba\.csv instead; labels"):
        merge(paths, "mean")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00,\n")
    with pytest.raises(DataError, match=r"b\.csv is not a CSV file"):
        merge(paths, "mean")
    with pytest.raises(DataError, match=r"gone\.csv: No such file"):
        merge([paths[0], tmp_path / "gone.csv"], "mean")


def test_settings_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    a, b = map(str, write(tmp_path, PROBA, OTHER))
    out = str(tmp_path / "c.csv")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"submissions": (a, b), "run": ("runs/a",)}, "and --run is for a prediction"),
        ({"submissions": (a, b), "data": "x"}, "and --data is for a prediction"),
        ({"submissions": (a, b), "labelled": True}, "and --labelled is for a prediction"),
        ({"submissions": (a,)}, r"a\.csv is one file: name two or more"),
        ({"submissions": (a, b, a)}, r"a\.csv is given twice"),
        ({"submissions": (a, b), "out": b, "overwrite": True}, r"would write over .*b\.csv"),
        ({"submissions": (a, b), "grid": 2}, "and --grid is for a prediction"),
        ({"grid": 2, "samples": 3}, "--grid and --samples both set the number"),
        ({"equal_counts": True, "combine": "majority"}, "--equal-counts needs probabilities"),
    ]
    for given, says in cases:
        with pytest.raises(ConfigError, match=says):
            submissions.output_files(PredictSettings(**{"out": out} | given))


def test_one_file_can_be_answered_anew_with_equal_counts(tmp_path: Path) -> None:
    paths = write(tmp_path, "fname,x,y\n1,0.9,0.1\n2,0.6,0.4\n3,0.8,0.2\n4,0.7,0.3\n")
    out = tmp_path / "c.csv"
    settings = PredictSettings(submissions=(str(paths[0]),), out=str(out), equal_counts=True)
    report = submissions.write(settings, submissions.output_files(settings))
    assert out.read_text().splitlines()[1:] == ["1,x", "2,y", "3,x", "4,y"]
    assert report["predictions"] == {"x": 2, "y": 2}


def test_the_files_and_the_report(tmp_path: Path) -> None:
    paths = tuple(map(str, write(tmp_path, PROBA, OTHER)))
    out = tmp_path / "new" / "c.csv"
    settings = PredictSettings(submissions=paths, out=str(out), combine="geometric", proba=True)
    output_files = submissions.output_files(settings)
    report = submissions.write(settings, output_files)
    assert out.read_text().splitlines()[:2] == ["fname,camera", "1.jpg,y"]
    assert output_files.proba.read_text().startswith("fname,x,y,z\n1.jpg,0.3")
    assert (report["records"], report["submissions"]) == (2, list(paths))
    again = merge([output_files.proba, Path(paths[0])], "mean")  # what it writes it can read
    assert again.ids == ["1.jpg", "2.jpg"]
    assert submissions.summary(report, output_files)[:2] == [
        "2 records of 2 files, combined by geometric", "Predictions: x 1, y 1, z 0",
    ]  # fmt: skip
