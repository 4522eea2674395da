"""Which datasets of HDF5 files are used, by their names, and what is said of wrong files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pushfit.errors import DataError
from pushfit.tasks.base import TEST, TRAIN, VAL
from tests.support.hdf5_files import drawn, hdf5, noise, some, write


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("images", "labels"), ("image", "label"), ("data", "label"), ("x", "y"), ("X", "Y"),
        ("x_train", "y_train"), ("train_set_x", "train_set_y"), ("trainImages", "trainLabels"),
        ("train__images", "train__labels"), ("images", "ans"), ("set1__data", "set1__targets"),
    ],
)  # fmt: skip
def test_the_usual_names_are_known(tmp_path: Path, images: str, labels: str) -> None:
    data = hdf5().scan(some(tmp_path / "cells.h5", 40, images, labels))
    assert data.classes == tuple("0123")
    assert [len(data.splits[split]) for split in (TRAIN, VAL)] == [36, 4]  # one of each class
    assert data.validation.startswith("held out, 10% of each class")
    where = f"cells.h5/{images.replace('__', '/')}"
    paths = sorted(record.path for records in data.splits.values() for record in records)
    assert paths == [f"{where}/{row:05}" for row in range(40)]


def parted_files(folder: Path) -> None:
    some(folder / "train.h5")
    some(folder / "valid.hdf5", 8)
    some(folder / "test.h5", 12)


def one_file(folder: Path) -> None:
    for split, count in (("train", 20), ("val", 8), ("test", 12)):
        some(folder / "all.h5", count, f"{split}__images", f"{split}__labels")


def folders(folder: Path) -> None:
    some(folder / "train" / "part-1.h5", 12)
    some(folder / "train" / "part-2.h5", 8)
    some(folder / "val_images" / "a.h5", 8)
    some(folder / "test" / "a.h5", 12)


def a_file_each(folder: Path) -> None:
    for split, count in (("train", 20), ("valid", 8), ("test", 12)):
        write(folder / f"level_2_split_{split}_x.h5", x=noise(count))
        labels = (np.arange(count) % 4).reshape(count, 1, 1, 1)
        write(folder / f"level_2_split_{split}_y.h5", y=labels)


@pytest.mark.parametrize("lay_out", [parted_files, one_file, folders, a_file_each])
def test_splits_are_told_by_names(tmp_path: Path, lay_out: Callable[[Path], None]) -> None:
    lay_out(tmp_path)
    task = hdf5()
    data = task.scan(tmp_path)
    assert [len(data.splits[split]) for split in (TRAIN, VAL)] == [20, 8]
    assert [each.reason for each in data.unused] == ["for predictions"]
    tested = task.scan_test(tmp_path)
    assert (tested.classes, len(tested.splits[TEST])) == (("labelled",), 12)
    assert drawn(task, TEST, np.arange(12))["label"].tolist() == [n % 4 for n in range(12)]


def test_labelled_test_images_are_validated_on_where_no_others_are(tmp_path: Path) -> None:
    some(tmp_path / "all.h5", 20, "x_train", "y_train")
    some(tmp_path / "all.h5", 12, "x_test", "y_test")
    data = hdf5().scan(tmp_path)
    assert [len(data.splits[split]) for split in (TRAIN, VAL)] == [20, 12]
    assert data.validation == "all.h5/x_test" and not data.unused


def test_datasets_may_be_named(tmp_path: Path) -> None:
    some(tmp_path / "a.h5", 20, "train__raw", "train__organ")
    some(tmp_path / "a.h5", 8, "val__raw", "val__organ")
    write(tmp_path / "a.h5", train__image=noise(3), train__label=np.arange(3))
    data = hdf5(images="raw", labels="organ").scan(tmp_path)
    assert [len(data.splits[split]) for split in (TRAIN, VAL)] == [20, 8]


def no_labels(folder: Path) -> None:
    write(folder / "a.h5", images=noise(4))


def too_few(folder: Path) -> None:
    write(folder / "a.h5", images=noise(4), labels=np.arange(3))


def flat(folder: Path) -> None:
    write(folder / "a.h5", x=noise(4, (784,)), y=np.arange(4))


def two_of_them(folder: Path) -> None:
    write(folder / "a.h5", images=noise(4), data=noise(4), y=np.arange(4))


def other_names(folder: Path) -> None:
    write(folder / "a.h5", photos=noise(4), kind=np.arange(4))


def larger(folder: Path) -> None:
    write(folder / "a.h5", x=noise(4, (9, 8, 3)), y=np.arange(4))


def fractions(folder: Path) -> None:
    write(folder / "a.h5", x=noise(4) / 255, y=np.arange(4))


def targets(folder: Path) -> None:
    write(folder / "a.h5", x=noise(4), y=np.array([0, 1, 0.5, 2]))


def boxes(folder: Path) -> None:
    write(folder / "a.h5", x=noise(4), y=np.full((4, 2), 3))


def one_class(folder: Path) -> None:
    write(folder / "a.h5", x=noise(4), y=np.zeros(4))


def only_tests(folder: Path) -> None:
    write(folder / "test.h5", x=noise(4), y=np.arange(4))


def cut_short(folder: Path) -> None:
    some(folder / "a.h5")
    (folder / "a.h5").write_bytes((folder / "a.h5").read_bytes()[:-700])


def a_page(folder: Path) -> None:
    (folder / "a.h5").write_text("<html>not found</html>")


def a_zip(folder: Path) -> None:
    shutil.make_archive(str(folder / "cells"), "zip", folder, ".")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_labels, r"a\.h5/images are images to train on, but they have no labels"),
        (too_few, r"a\.h5/labels holds 3 labels, and its images are 4: they are not of the same"),
        (flat, r"a\.h5/x is uint8\[4, 784\]: images are \(n, height, width\)"),
        (two_of_them, r"may both be the images: say which with --images NAME"),
        (other_names, r"There are a\.h5/kind int64\[4\], a\.h5/photos uint8\[4, 6, 5, 3\]"),
        (larger, r"are 9,8,3 \(height, width, channels\), and --shape .*: give --shape 9,8,3"),
        (fractions, r"holds float64, not uint8: say which value is white, e\.g\. --white 1"),
        (targets, r"a\.h5/y, row 2: 0\.5 is not a label, which is a whole number"),
        (boxes, r"of several numbers for each image one must be 1, and the others 0"),
        (one_class, r"a\.h5/y has only one class, '0': a classifier needs two"),
        (only_tests, r"nothing is named as data to train on, e\.g\. not test\.h5/x"),
        (cut_short, r"a\.h5 cannot be opened as HDF5 \(.*was it copied whole"),
        (a_page, r"a\.h5 cannot be opened as HDF5"),
        (a_zip, r"no HDF5 files .*there is an archive in it, cells\.zip: unpack it with"),
    ],
)
def test_what_cannot_serve(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    folder = tmp_path / "links"
    folder.mkdir()
    spoil(folder)
    with pytest.raises(DataError, match=message):
        hdf5().scan(folder)


def test_what_is_not_used_is_told(tmp_path: Path) -> None:
    some(tmp_path / "train.h5")
    some(tmp_path / "more.h5")
    write(tmp_path / "model.h5", weights=noise(2))
    (tmp_path / "README").touch()
    (tmp_path / "old").mkdir()
    found = {each.first: each.reason for each in hdf5().scan(tmp_path).unused}
    assert found.keys() == {
        "README", "old/", "model.h5", "more.h5/images", "more.h5/labels",
    }  # fmt: skip
    assert "while others are called train" in found["more.h5/images"]
