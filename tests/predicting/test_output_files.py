"""The files as Kaggle wants them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pushfit.errors import OutputError
from pushfit.predicting.journal import Bad
from pushfit.predicting.output_files import OutputFiles, ids
from pushfit.tasks import create
from tests.support.fakes import NumberParams, NumberTask

PROBABILITIES = np.array([[0.25, 0.75], [0.5, 0.5]])
LABELS = np.array([1, 0])
BAD = [Bad(1, "test/b,2.jpg", "far", "truncated")]


@pytest.mark.parametrize(
    ("task", "rows"),
    [
        (create("digits", {}), ["ImageId,Label", "1,y", "2,x"]),
        (create("camera", {}), ["fname,camera", "a.jpg,y", '"b,2.jpg",x']),
        (NumberTask(NumberParams()), ["id,label", "a.jpg,y", '"b,2.jpg",x']),
    ],
)
def test_each_task_has_its_form(tmp_path: Path, task: NumberTask, rows: list[str]) -> None:
    files = OutputFiles(tmp_path / "new" / "out.csv", overwrite=False)
    paths = ["test/a.jpg", "test/b,2.jpg"]
    files.write(task.submission, ("x", "y"), ids(task, paths), LABELS, PROBABILITIES, BAD)
    assert files.out.read_text() == "\n".join(rows) + "\n"
    names = [row.rpartition(",")[0] for row in rows]
    assert files.proba.name == "out.proba.csv"
    assert files.proba.read_text().splitlines() == [
        f"{names[0]},x,y", f"{names[1]},0.25,0.75", f"{names[2]},0.5,0.5",
    ]  # fmt: skip
    assert files.bad.read_text().splitlines()[1] == f'{names[2]},"test/b,2.jpg",far,truncated'
    again = OutputFiles(files.out, overwrite=True)
    again.write(task.submission, ("x", "y"), ids(task, paths), LABELS, None)
    assert not again.bad.exists()  # it told of the submission that is gone
    assert sorted(path.name for path in files.out.parent.iterdir()) == [
        "out.csv",
        "out.proba.csv",
    ]


def test_a_submission_is_not_overwritten_unless_told(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(OutputError, match="exists already: choose another --out, or give --over"):
        OutputFiles(tmp_path / "out.csv", overwrite=False)
    with pytest.raises(OutputError, match="is a folder"):
        OutputFiles(tmp_path, overwrite=True)


def test_photos_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    files = OutputFiles(tmp_path / "out.csv", overwrite=False)
    paths = ["test/a/1.jpg", "test/b/1.jpg"]
    task = create("camera", {})
    files.write(task.submission, ("x", "y"), ids(task, paths), LABELS, None)
    assert files.out.read_text() == "fname,camera\na/1.jpg,y\nb/1.jpg,x\n"
