"""The task images: what it cuts and augments, and that it is the same drawn twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pushfit import tasks
from pushfit.decoding import images
from pushfit.errors import ConfigError
from pushfit.tasks.base import TEST, TRAIN, UNKNOWN, VAL, Record
from pushfit.tasks.images.crops import Box
from pushfit.tasks.images.params import ImagesParams
from pushfit.tasks.images.photo import Photo
from pushfit.tasks.images.task import ImagesTask
from tests.support.photos import write_photos

RECORD = Record("train/beta/00.jpg", 0, 1)


@pytest.fixture(name="data")
def _data(tmp_path: Path) -> bytes:
    return next((write_photos(tmp_path) / "train").glob("*/*.jpg")).read_bytes()


def drawn(task: ImagesTask, data: bytes, split: str, patch: int, seed: int = 5) -> np.ndarray:
    def rngs() -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=seed))

    item = task.decode_for(data, RECORD, split, iter([rngs()] * (patch + 1)))
    again = task.decode(data, RECORD)
    image = task.sample(item, RECORD, split, patch, rngs())["image"]
    np.testing.assert_array_equal(image, task.sample(again, RECORD, split, patch, rngs())["image"])
    return np.asarray(image)


def test_it_is_built_in() -> None:
    assert tasks.load("images") is ImagesTask
    assert ImagesParams().size == 224 and ImagesParams().scale == (0.08, 1.0)


def test_the_same_rng_gives_the_same_image_and_others_other_ones(data: bytes) -> None:
    task = ImagesTask(ImagesParams(size=32))
    first = drawn(task, data, TRAIN, 0)
    assert (first.shape, first.dtype) == ((32, 32, 3), np.uint8)
    assert (first == drawn(task, data, TRAIN, 0)).all()
    assert (first != drawn(task, data, TRAIN, 0, seed=6)).any()


def test_validation_shows_the_middle_and_draws_nothing(data: bytes) -> None:
    photo = images.decode(data)
    side = min(photo.shape[:2])
    task = ImagesTask(ImagesParams(size=side, val_crop=1.0))
    top, left = ((length - side) // 2 for length in photo.shape[:2])
    expected = photo[top : top + side, left : left + side]
    for split in (VAL, TEST):
        for seed in range(3):
            np.testing.assert_array_equal(drawn(task, data, split, 0, seed), expected)
    assert (drawn(task, data, TEST, 1) != expected).any()
    sent = task.from_picture(photo)
    np.testing.assert_array_equal(sent["image"], expected)
    assert sent["label"] == UNKNOWN


def test_one_method_changes_the_crop_or_the_augmentation(data: bytes) -> None:
    class Own(ImagesTask):
        name = "own"

        def crop(self, width: int, height: int, rng: np.random.Generator) -> Box:
            return Box(0, 0, 16, 16)

        def augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
            return 255 - image

    image = drawn(Own(ImagesParams(size=16)), data, TRAIN, 0)
    np.testing.assert_array_equal(image, 255 - images.decode(data)[:16, :16])


def test_all_augmentations_at_once(data: bytes) -> None:
    params = ImagesParams(
        size=48, policy="randaugment", jitter=(0.4, 0.4, 0.4, 0.1), greyscale=0.5, blur=0.5,
        erasing=0.5,
    )  # fmt: skip
    for seed in range(10):
        image = drawn(ImagesTask(params), data, TRAIN, 0, seed)
        assert (image.shape, image.dtype) == ((48, 48, 3), np.uint8)


def test_samples_are_labelled_but_for_those_to_predict(data: bytes) -> None:
    task = ImagesTask(ImagesParams(size=16))
    item = Photo(data).whole()
    rng = np.random.default_rng(0)
    assert task.sample(item, RECORD, TRAIN, 0, rng)["label"] == 1
    assert task.sample(item, RECORD, TEST, 0, rng)["label"] == UNKNOWN


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"scale": (0.5,)}, "scale: 1 numbers, but it takes two"),
        ({"scale": (0.0, 1.0)}, "scale: 0,1 must be two numbers above 0"),
        ({"scale": (0.9, 0.1)}, "the smaller one first"),
        ({"ratio": (0.75, 1000.0)}, "at most 100; 0.75,1.333 is usual"),
        ({"jitter": (1.0, 1.0, 1.0, 0.9)}, "jitter: its fourth number"),
    ],
)
def test_wrong_parameters_are_said(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ImagesParams(**wrong)  # type: ignore[arg-type]
