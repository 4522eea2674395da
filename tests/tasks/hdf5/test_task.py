"""Images of HDF5 files that others have made: what is drawn of them, and which are bad."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pushfit.errors import BadRecord, ConfigError, DataError
from pushfit.plan.order import patch_rng
from pushfit.tasks.base import TRAIN, VAL
from tests.support.hdf5_files import SHAPE, all_of, drawn, hdf5, noise, some, write


def test_each_row_is_a_sample_with_its_own_label(tmp_path: Path) -> None:
    task = hdf5()
    data = task.scan(some(tmp_path / "train.h5"))
    for split in (TRAIN, VAL):
        made = drawn(task, split, np.arange(len(data.splits[split])))
        for number, record in enumerate(data.splits[split]):
            row = int(record.path.rpartition("/")[2])
            assert (made["image"][number] == noise(20)[row]).all()
            assert made["label"][number] == row % 4 == record.label


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
