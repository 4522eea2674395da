"""Which runs predict together, which share a stream, and what is said of those that cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushfit.errors import ConfigError
from pushfit.predicting.ensemble import digest, find, groups
from tests.support.checkpoints import DIGITS, save

CAMERA = {"task": "camera", "patch": "32", "batch_size": "8"}


def test_runs_with_the_same_parameters_share_a_stream(tmp_path: Path) -> None:
    one = save(tmp_path / "one")
    other = save(tmp_path / "other", settings={**DIGITS, "rotation": "20"})
    third = save(tmp_path / "third", settings={**DIGITS, "batch_size": "16", "epochs": "3"})
    found = find([str(one), str(other), str(third)])
    made = groups(found, samples=1, batch_size=0)
    assert [group.numbers for group in made] == [(0, 2), (1,)]
    assert [group.records for group in made] == [16, 32]  # the least that they were trained with
    assert [group.records for group in groups(found, 5, 0)] == [3, 6]
    assert [group.records for group in groups(found, 64, 0)] == [1, 1]
    assert [group.records for group in groups(found, 2, 100)] == [50, 50]
    assert digest(found[0]) == digest(find([str(one)])[0])


def test_views_multiply_the_samples_of_a_record(tmp_path: Path) -> None:
    camera = {**CAMERA, "manipulations": "jpeg70,gamma0.8"}
    found = find([str(save(tmp_path / "one", settings=camera))])
    made = groups(found, 1, 100, grid=3, manipulations=True)
    assert [(group.samples, group.records) for group in made] == [(27, 3)]
    assert made[0].first.task.params.test_grid == 3
    assert [group.samples for group in groups(found, 2, 0, manipulations=True)] == [6]
    digits = find([str(save(tmp_path / "digits"))])
    for asked, flag in (({"grid": 2}, "--grid"), ({"manipulations": True}, "--each-manip")):
        with pytest.raises(ConfigError, match=f"the task digits has no {flag}.*use --samples"):
            groups(digits, 1, 0, **asked)


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ({"settings": CAMERA}, "is a run of the task digits, and .*other of camera: only runs of"),
        ({"classes": ("a", "c")}, "same classes: 'b' only in .*one; 'c' only in .*other"),
        ({"classes": ("b", "a")}, "same classes: they are in another order"),
    ],
)
def test_runs_that_cannot_predict_together(
    tmp_path: Path, second: dict[str, object], says: str
) -> None:
    paths = [str(save(tmp_path / "one")), str(save(tmp_path / "other", **second))]
    with pytest.raises(ConfigError, match=says):
        find(paths)


def test_a_run_is_wanted_and_each_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give --run with a trained run's folder"):
        find([])
    one = save(tmp_path / "one")
    with pytest.raises(ConfigError, match="is given twice"):
        find([str(one), str(one / "last.keras")])
    with pytest.raises(ConfigError, match="holds no model"):
        find([str(one), str(tmp_path)])
