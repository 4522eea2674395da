"""Which runs predict together, which share a stream, and what is said of those that cannot."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from lib.errors import ConfigError
from lib.predicting.ensemble import digest, find, groups, probabilities
from tests.trainer.test_runs import DIGITS, save

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
    with pytest.raises(ConfigError, match="Give --run with the folder"):
        find([])
    one = save(tmp_path / "one")
    with pytest.raises(ConfigError, match="is given twice"):
        find([str(one), str(one / "last.keras")])
    with pytest.raises(ConfigError, match="holds no model"):
        find([str(one), str(tmp_path)])


class Said:
    """Stands for a model: says what it was given."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def predict_on_batch(self, x: np.ndarray) -> object:
        return {self.name: x, "manipulation": x[:, :1]} if self.name else x


@pytest.mark.parametrize("head", ["", "class"])
def test_the_samples_of_a_record_are_averaged(tmp_path: Path, head: str) -> None:
    run = find([str(save(tmp_path / "one"))])[0]
    x = np.array([[0, 1], [1, 0], [0.5, 0.5], [0.25, 0.75]], np.float32)
    assert probabilities(run, Said(head), x, 2).tolist() == [[0.5, 0.5], [0.375, 0.625]]
    with pytest.raises(ConfigError, match=re.escape("gives (3,) numbers a sample, and the run")):
        probabilities(run, Said(head), np.zeros((4, 3)), 2)
