"""Labels in HDF5 files: of each kind, and what the classes are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pushfit.errors import DataError
from pushfit.tasks.base import TEST, TRAIN, UNKNOWN, VAL
from tests.support.hdf5_files import drawn, hdf5, noise, some, write

LABELS: list[tuple[Any, tuple[str, ...]]] = [
    (np.eye(3, dtype=np.float32)[[2, 0, 1, 2, 0, 1]], ("0", "1", "2")),
    (["dog", "ant", "cat", "dog", "ant", "cat"], ("ant", "cat", "dog")),
    (np.array([2.0, 0.0, 1.0, 2.0, 0.0, 1.0]), ("0", "1", "2")),
    (np.array([[2, 0, 1, 2, 0, 1]]).T, ("0", "1", "2")),
]


@pytest.mark.parametrize(("labels", "classes"), LABELS)
def test_labels_of_each_kind(tmp_path: Path, labels: Any, classes: tuple[str, ...]) -> None:
    data = hdf5(held_out=0).scan(write(tmp_path / "a.h5", x=noise(6), y=labels))
    assert data.classes == classes and not data.splits[VAL] and data.validation == "none"
    assert [(r.label, r.path[-1]) for r in data.splits[TRAIN]] == [
        (0, "1"), (0, "4"), (1, "2"), (1, "5"), (2, "0"), (2, "3"),
    ]  # fmt: skip


def test_classes_are_called_as_the_file_or_the_flag_says(tmp_path: Path) -> None:
    folder = some(tmp_path / "a.h5")
    write(tmp_path / "a.h5", list_classes=np.array([b"ant", b"bee", b"cat", b"dog"]))
    assert hdf5().scan(folder).classes == ("ant", "bee", "cat", "dog")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["labels"].attrs["class_names"] = ["a", "b", "c", "d", "e"]
    assert hdf5().scan(folder).classes == ("a", "b", "c", "d", "e")
    assert hdf5(classes=("w", "x", "y", "z")).scan(folder).classes == ("w", "x", "y", "z")
    with pytest.raises(DataError, match=r"the label 2 has no name: there are 2 classes, w, x"):
        hdf5(classes=("w", "x")).scan(folder)


def test_test_images_without_labels(tmp_path: Path) -> None:
    task = hdf5()
    data = task.scan_test(write(tmp_path / "test.h5", images=noise(4)))
    assert data.classes == ("unlabelled",)
    assert (drawn(task, TEST, np.arange(4))["label"] == UNKNOWN).all()
    assert task.submission_id(3, data.splits[TEST][3].path) == "3"
