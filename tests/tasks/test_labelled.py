"""Labelled images: cut and resized the same way, augmented in training alone, a part held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pushfit.decoding import images
from pushfit.tasks import checks
from pushfit.tasks.base import TEST, TRAIN, UNKNOWN, VAL, Record
from pushfit.tasks.labelled import LabelledImages, LabelledParams
from tests.support.photos import write_photos

RECORD = Record("train/beta/00.jpg", 1, 1)


class Bright(LabelledImages):
    name = "bright"

    def augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        image += rng.integers(1, 9, dtype=np.uint8)  # in place
        return image


def test_the_middle_of_a_photo_is_cut_and_resized(tmp_path: Path) -> None:
    links = write_photos(tmp_path)
    task = Bright(LabelledParams(size=40))
    photo = task.decode((links / RECORD.path).read_bytes(), RECORD)
    assert (photo.shape, photo.dtype) == ((40, 40, 3), np.uint8)
    whole = Bright(LabelledParams(size=120)).decode((links / RECORD.path).read_bytes(), RECORD)
    assert abs(whole.mean() - photo.mean()) < 2  # 120 is its height: nothing was resized down


def test_training_images_alone_are_augmented_each_from_the_image_itself() -> None:
    task, item = Bright(LabelledParams(size=8)), np.full((8, 8, 3), 100, np.uint8)
    for split, low, high in ((TRAIN, 101, 108), (VAL, 100, 100)):
        for patch in range(20):
            sample = task.sample(item, RECORD, split, patch, np.random.default_rng(patch))
            assert low <= sample["image"].min() <= sample["image"].max() <= high
            assert sample["label"] == 1
    assert (item == 100).all()


@pytest.mark.parametrize(("train", "share", "held"), [(20, 0.1, 4), (20, 0.5, 20), (1, 0.9, 0)])
def test_a_share_of_each_class_is_held_out(
    tmp_path: Path, train: int, share: float, held: int
) -> None:
    links = write_photos(tmp_path, train=train, val=0)
    task = LabelledParams(held_out=share)
    data = Bright(task).scan(links)
    assert data == Bright(task).scan(links)
    assert data.counts() == {TRAIN: [train - held // 2] * 2, VAL: [held // 2] * 2}
    assert not set(data.splits[TRAIN]) & set(data.splits[VAL])
    for records in data.splits.values():
        assert list(records) == sorted(records, key=lambda each: (each.label, each.path))


def test_of_a_photo_to_be_predicted_the_first_sample_is_as_it_is(tmp_path: Path) -> None:
    links, task = write_photos(tmp_path), Bright(LabelledParams(size=8))
    data = checks.scan(task, links / "train" / "alpha", (TEST,))
    assert [record.path for record in data.splits[TEST]] == [f"{n:02}.jpg" for n in range(4)]
    item = np.full((8, 8, 3), 100, np.uint8)
    values = [
        task.sample(item, RECORD, TEST, patch, np.random.default_rng(patch)) for patch in range(2)
    ]
    assert [value["label"] for value in values] == [UNKNOWN] * 2
    assert (values[0]["image"] == 100).all() and (values[1]["image"] > 100).all()


def test_photos_for_validation_are_taken_where_there_are_some(tmp_path: Path) -> None:
    data = Bright(LabelledParams()).scan(write_photos(tmp_path, train=4, val=2))
    assert data.counts() == {TRAIN: [4, 4], VAL: [2, 2]}


def test_a_picture_that_is_sent_is_cut_as_a_photo_to_learn_from(tmp_path: Path) -> None:
    task = Bright(LabelledParams(size=16))
    photo = next((write_photos(tmp_path) / "train").glob("*/*.jpg")).read_bytes()
    sent = task.from_picture(images.decode(photo))
    assert (sent["image"] == task.decode(photo, RECORD)).all()
    assert sent["label"] == UNKNOWN


def test_a_photo_that_has_changed_since_the_scan_is_not_trained(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder = tmp_path / "train" / name
        folder.mkdir(parents=True)
        Image.new("RGB", (32, 32), "red").save(folder / "1.png")
    task = Bright(LabelledParams())
    record = task.scan(tmp_path).splits["train"][0]
    assert task.read(tmp_path, record) == (tmp_path / record.path).read_bytes()
    Image.new("RGB", (300, 300), "blue").save(tmp_path / record.path)
    with pytest.raises(OSError, match="the file has changed: it has"):
        task.read(tmp_path, record)
