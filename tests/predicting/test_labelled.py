"""Labels are those of the folders; a folder that is no class is named."""

from __future__ import annotations

import pytest

from pushfit.errors import DataError
from pushfit.predicting.labelled import labels
from pushfit.tasks import create
from tests.support.fakes import NumberParams, NumberTask

CAMERA = create("camera", {})


def test_the_first_folder_is_the_class() -> None:
    paths = ["test/b/1.jpg", "test/a/deep/er/2.jpg", "a/3.jpg", "b/test/4.jpg"]
    assert labels(CAMERA, paths, ("a", "b")).tolist() == [1, 0, 0, 1]


def test_of_a_task_whose_samples_have_labels_nothing_is_said() -> None:
    task = NumberTask(NumberParams())
    assert labels(task, ["even/1", "2"], ("even", "odd")).tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("test/1.jpg", r"test/1.jpg lies in no folder, .* called like a class \(alpha, beta\)"),
        ("alhpa/1.jpg", r"in the folder 'alhpa', which is not .*, did you mean 'alpha'\?; known: "),
        ("gamma/1.jpg", r"in the folder 'gamma', which is not a class of the run; known: alpha, b"),
    ],
)
def test_a_photo_whose_class_is_not_known_is_named(path: str, says: str) -> None:
    with pytest.raises(DataError, match=f"--labelled: .*{says}"):
        labels(CAMERA, ["alpha/0.jpg", path], ("alpha", "beta"))
