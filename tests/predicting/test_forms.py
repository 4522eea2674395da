"""The files as Kaggle wants them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lib.errors import OutputError
from lib.predicting.forms import Forms
from lib.predicting.partial import Bad
from lib.tasks import create
from tests.fakes import NumberParams, NumberTask

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
    forms = Forms(tmp_path / "new" / "out.csv", overwrite=False)
    paths = ["test/a.jpg", "test/b,2.jpg"]
    forms.write(task, ("x", "y"), paths, LABELS, PROBABILITIES, BAD)
    assert forms.out.read_text() == "\n".join(rows) + "\n"
    ids = [row.rpartition(",")[0] for row in rows]
    assert forms.proba.name == "out.proba.csv"
    assert forms.proba.read_text().splitlines() == [
        f"{ids[0]},x,y", f"{ids[1]},0.25,0.75", f"{ids[2]},0.5,0.5",
    ]  # fmt: skip
    assert forms.bad.read_text().splitlines()[1] == f'{ids[2]},"test/b,2.jpg",far,truncated'
    again = Forms(forms.out, overwrite=True)
    again.write(task, ("x", "y"), paths, LABELS, None, [])
    assert not again.bad.exists()  # it told of the submission that is gone
    assert sorted(path.name for path in forms.out.parent.iterdir()) == ["out.csv", "out.proba.csv"]


def test_a_submission_is_not_overwritten_unless_told(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(OutputError, match="exists already: choose another --out, or give --over"):
        Forms(tmp_path / "out.csv", overwrite=False)
    with pytest.raises(OutputError, match="is a folder"):
        Forms(tmp_path, overwrite=True)
