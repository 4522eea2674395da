"""HDF5 files that others have made: what is found, what is drawn, what is said of wrong ones."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pushfit.errors import BadRecord, ConfigError, DataError
from pushfit.plan.order import patch_draws, patch_rng
from pushfit.tasks.base import TEST, TRAIN, UNKNOWN, VAL, DataSet
from pushfit.tasks.hdf5.task import Hdf5Params, Hdf5Task

SHAPE = (6, 5, 3)


def hdf5(**params: object) -> Hdf5Task:
    return Hdf5Task(Hdf5Params(**{"shape": SHAPE, **params}))  # type: ignore[arg-type]


def noise(count: int, shape: tuple[int, ...] = SHAPE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def write(path: Path, **datasets: Any) -> Path:
    """`datasets`, where `__` stands for a slash. Returns the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "a") as file:
        for name, values in datasets.items():
            file[name.replace("__", "/")] = values
    return path.parent


def some(path: Path, count: int = 20, images: str = "images", labels: str = "labels") -> Path:
    return write(path, **{images: noise(count), labels: np.arange(count) % 4})


def drawn(task: Hdf5Task, split: str, records: np.ndarray, epoch: int = 0) -> dict[str, Any]:
    visits, patches = np.arange(len(records)), np.zeros(len(records), np.int64)
    draws = patch_draws(1, split, epoch, visits, records, patches)
    return dict(task.block(Path(), split, records, patches, draws))


def all_of(task: Hdf5Task, data: DataSet, split: str) -> dict[str, bytes]:
    """The image of each record, by its path."""
    made = drawn(task, split, np.arange(len(data.splits[split])))["image"]
    return {r.path: made[n].tobytes() for n, r in enumerate(data.splits[split])}


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


def test_each_row_is_a_sample_with_its_own_label(tmp_path: Path) -> None:
    task = hdf5()
    data = task.scan(some(tmp_path / "train.h5"))
    for split in (TRAIN, VAL):
        made = drawn(task, split, np.arange(len(data.splits[split])))
        for number, record in enumerate(data.splits[split]):
            row = int(record.path.rpartition("/")[2])
            assert (made["image"][number] == noise(20)[row]).all()
            assert made["label"][number] == row % 4 == record.label


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


def test_the_same_images_packed_otherwise_are_the_same_data_set(tmp_path: Path) -> None:
    values, labels = noise(40), np.arange(40) % 4
    forms: dict[str, dict[str, Any]] = {
        "plain": {}, "gzip": {"chunks": (7, *SHAPE), "compression": "gzip"},
        "chunked": {"chunks": (1, *SHAPE)}, "lzf": {"compression": "lzf", "shuffle": True},
    }  # fmt: skip
    found = []
    for name, form in forms.items():
        (tmp_path / name).mkdir()
        with h5py.File(tmp_path / name / "a.h5", "w") as file:
            file.create_dataset("images", data=values, **form)
            file["labels"] = labels
        task = hdf5()
        data = task.scan(tmp_path / name)
        found.append((data.fingerprint(), all_of(task, data, TRAIN), all_of(task, data, VAL)))
    assert all(each == found[0] for each in found)
    other = write(tmp_path / "other" / "a.h5", images=noise(40, seed=1), labels=labels)
    assert hdf5().scan(other).fingerprint() != found[0][0]


@pytest.mark.parametrize("flip", ["none", "both"])
@pytest.mark.parametrize("cut", [0, 3])
def test_a_block_is_what_sample_makes_one_by_one(tmp_path: Path, cut: int, flip: str) -> None:
    task = hdf5(cut=cut, flip=flip)
    data = task.scan(some(tmp_path / "a.h5", 60))
    for split in (TRAIN, VAL):
        records = np.random.default_rng(0).permutation(len(data.splits[split]))
        made = drawn(task, split, records)
        for visit, number in enumerate(records.tolist()):
            record = data.splits[split][number]
            item = task.decode(task.read(tmp_path, record), record)
            rng = patch_rng(1, split, 0, visit, number, 0)
            one = task.sample(item, record, split, 0, rng)
            assert (one["image"] == made["image"][visit]).all()
            assert one["label"] == made["label"][visit]


def test_training_crops_lie_anywhere_and_others_in_the_middle(tmp_path: Path) -> None:
    task = hdf5(cut=3)
    data = task.scan(some(tmp_path / "a.h5", 400))
    whole = noise(400)
    for split in (TRAIN, VAL):
        records = np.arange(len(data.splits[split]))
        rows = [int(r.path.rpartition("/")[2]) for r in data.splits[split]]
        made = drawn(task, split, records)["image"]
        places = set()
        for row, image in zip(rows, made, strict=True):
            places |= {
                (top, left)
                for top in range(4)
                for left in range(3)
                if (whole[row, top : top + 3, left : left + 3] == image).all()
            }
        assert len(places) == (12 if split == TRAIN else 1)
    assert places == {(1, 1)}
    again = drawn(task, TRAIN, np.arange(9), epoch=1)["image"]
    assert (again != drawn(task, TRAIN, np.arange(9))["image"]).any()


@pytest.mark.parametrize(
    ("values", "white"),
    [
        (lambda images: images / np.float32(255), 1),
        (lambda images: images.astype(np.float64), 255),
        (lambda images: images.astype(">u2") * 257, 65535),
        (lambda images: np.moveaxis(images, 3, 1), 0),
    ],
)
def test_other_numbers_and_channels_first(
    tmp_path: Path, values: Callable[[np.ndarray], np.ndarray], white: float
) -> None:
    task = hdf5(shape=(6, 5, 3), white=white)
    images = noise(20)
    data = task.scan(write(tmp_path / "a.h5", images=values(images), labels=np.arange(20) % 2))
    for path, image in all_of(task, data, TRAIN).items():
        assert image == images[int(path.rpartition("/")[2])].tobytes()


def test_grey_images_without_an_axis_of_channels(tmp_path: Path) -> None:
    folder = write(tmp_path / "a.h5", x=noise(20, (6, 5)), y=np.arange(20) % 2)
    assert len(hdf5(shape=(6, 5, 1)).scan(folder).splits[TRAIN]) == 18


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


def test_an_image_out_of_range_or_that_cannot_be_unpacked_is_bad_alone(tmp_path: Path) -> None:
    values = noise(20) / 255
    values[7, 0, 0, 0] = 1.5
    task = hdf5(white=1.0)
    data = task.scan(write(tmp_path / "a" / "a.h5", x=values, y=np.arange(20) % 2))
    (tmp_path / "b").mkdir()
    with h5py.File(tmp_path / "b" / "a.h5", "w") as file:
        form = {"chunks": (1, *SHAPE), "compression": "gzip"}
        chunks = file.create_dataset("x", data=noise(20), **form)
        file["y"] = np.arange(20) % 2
        place = chunks.id.get_chunk_info(7).byte_offset
    content = bytearray((tmp_path / "b" / "a.h5").read_bytes())
    content[place : place + 20] = bytes(20)
    (tmp_path / "b" / "a.h5").write_bytes(content)
    packed = hdf5()
    for one, found in ((task, data), (packed, packed.scan(tmp_path / "b"))):
        for record in (r for records in found.splits.values() for r in records):
            if record.path.endswith("/00007"):
                with pytest.raises(BadRecord, match=r"1\.5|cannot be unpacked"):
                    one.read(tmp_path, record)
            else:
                one.read(tmp_path, record)


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


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"shape": (6, 5)}, "must be height, width and 1 to 4 channels"),
        ({"shape": (6, 5, 9)}, "must be height, width and 1 to 4 channels"),
        ({"cut": 6}, "6 is more than the 5 pixels of --shape"),
        ({"images": "a", "labels": "a"}, "name two datasets"),
        ({"classes": ("a", "a")}, "listed twice"),
    ],
)
def test_parameters_that_contradict_each_other(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        hdf5(**params)


def test_a_picture_is_made_as_large_as_what_was_learnt_from() -> None:
    picture = noise(1, (40, 60, 3))[0]
    assert hdf5(shape=(24, 24, 1)).from_picture(picture)["image"].shape == (24, 24, 1)
    assert hdf5(shape=(24, 24, 3), cut=16).from_picture(picture)["image"].shape == (16, 16, 3)


def test_a_host_without_h5py_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some(tmp_path / "a.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match=r"h5py is not installed .*\.\[hdf5\]"):
        hdf5().scan(tmp_path)
