"""`bench images`: its photos, its samples, what it refuses, and a run as small as it goes."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import _images_data, images
from bench._images_sides import Seen
from bench._images_work import RATIO, SCALE, SIZE, Job, drawn_part, fast_sample, pillow_sample
from pushfit.errors import ConfigError, DataError, OutputError, PushFitError
from tests.support.scenes import scene

PLAN = _images_data.Plan(photos=6, classes=2, longest=100)


@pytest.fixture(autouse=True)
def drawn_alike() -> Iterator[None]:
    """Samples draw from Python's own generator: the same in every run of a test."""
    before = random.getstate()
    random.seed(0)
    yield
    random.setstate(before)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    folder = tmp_path / "large"
    for number in range(4):
        path = folder / "train" / f"camera{number}" / "000.jpg"
        path.parent.mkdir(parents=True)
        Image.fromarray(scene(600, 800, number)).save(path, quality=95)
    return folder


@pytest.fixture
def photos(tmp_path: Path, large: Path) -> Path:
    """40 photos of two classes, of ImageNet's size."""
    _images_data.make(tmp_path / "photos", large, _images_data.Plan(photos=40, classes=2))
    return tmp_path / "photos"


# -- photos -------------------------------------------------------------------------------------


def test_photos_are_small_and_of_many_sizes(tmp_path: Path, large: Path) -> None:
    _images_data.make(tmp_path / "out", large, PLAN)
    found = sorted((tmp_path / "out").glob("train/*/*.jpg"))
    assert [f"{path.parent.name}/{path.name}" for path in found] == [
        f"class{label}/{n:04}.jpg" for label in range(2) for n in range(3)
    ]
    sizes = set()
    for path in found:
        with Image.open(path) as photo:
            sizes.add(photo.size)
            assert max(photo.size) == 100
            assert 66 <= min(photo.size) <= 80
            assert photo.layer[0][1:3] == (2, 2)  # the colours have half the resolution
    assert len(sizes) > 2


def test_photos_are_made_once(tmp_path: Path, large: Path) -> None:
    out = tmp_path / "out"
    _images_data.make(out, large, PLAN)
    first = out / "train" / "class0" / "0000.jpg"
    made = first.stat().st_mtime_ns
    _images_data.make(out, large, PLAN)
    assert first.stat().st_mtime_ns == made


def test_a_folder_of_other_photos_is_left_alone(tmp_path: Path, large: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="other photos"):
        _images_data.make(tmp_path / "out", large, PLAN)


def test_some_are_taken_evenly(photos: Path) -> None:
    taken = [record.path for record in images.jpegs(photos, 4)]
    assert taken == [f"train/class{label}/{n:04}.jpg" for label in range(2) for n in (0, 10)]
    assert len(images.jpegs(photos, 1000)) == 40


def test_a_folder_without_jpegs(tmp_path: Path) -> None:
    for label in "ab":
        path = tmp_path / "train" / label / "0.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(scene(64, 64, 0)).save(path)
    with pytest.raises(DataError, match="no JPEGs"):
        images.jpegs(tmp_path, 10)


# -- samples ------------------------------------------------------------------------------------


def test_parts_are_those_of_the_job() -> None:
    areas = []
    for _ in range(500):
        x, y, w, h = drawn_part(500, 375)
        assert 0 <= x <= 500 - w
        assert 0 <= y <= 375 - h
        assert RATIO[0] * 0.97 < w / h < RATIO[1] * 1.03
        areas.append(w * h / (500 * 375))
    assert SCALE[0] * 0.97 < min(areas) < 0.15
    assert 0.85 < max(areas) <= 1


@pytest.mark.parametrize(("size", "part"), [((1000, 30), (40, 30)), ((30, 1000), (30, 40))])
def test_a_photo_that_has_no_such_part(size: tuple[int, int], part: tuple[int, int]) -> None:
    """It gives the largest part in its middle that has a ratio of the job."""
    x, y, w, h = drawn_part(*size)
    assert (w, h) == part
    assert (x, y) == ((size[0] - w) // 2, (size[1] - h) // 2)


def test_both_ways_make_the_same_sample(photos: Path) -> None:
    """Of the same draws. What differs is the filter where a part is larger than the sample."""
    pytest.importorskip("cv2", reason="pip install -e '.[dev]'")
    for path in sorted(photos.glob("train/*/*.jpg"))[:8]:
        state = random.getstate()
        slow = pillow_sample(path.read_bytes())
        random.setstate(state)
        fast = fast_sample(path.read_bytes(), np.empty((SIZE, SIZE, 3), np.uint8))
        assert slow.shape == fast.shape == (SIZE, SIZE, 3)
        assert np.abs(slow.astype(int) - fast).mean() < 4


# -- what is refused ----------------------------------------------------------------------------


REFERENCE: dict[str, object] = {
    "mean": 110.0, "deviation": 40.0, "sharpness": 5.0, "classes": {"0": 320, "1": 320},
}  # fmt: skip


def seen_by_pillow(photos: Path) -> dict[str, object]:
    return images.looked_at(Job(str(photos), "", 0, ""))


def test_samples_of_the_job_pass(photos: Path) -> None:
    reference = seen_by_pillow(photos)
    images.check(seen_by_pillow(photos), reference)
    assert reference["classes"] == {"0": 320, "1": 320}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"mean": 20.0}, "the mean of the pixels"),
        ({"deviation": 5.0}, "the deviation of the pixels"),
        ({"sharpness": 0.5}, "their sharpness"),
        ({"classes": {"0": 640}}, "the share of class"),
    ],
)
def test_other_samples_are_refused(change: dict[str, object], what: str) -> None:
    with pytest.raises(PushFitError, match=what):
        images.check({**REFERENCE, **change}, REFERENCE)


@pytest.mark.parametrize(
    ("batch", "labels", "what"),
    [
        (np.zeros((2, SIZE, SIZE, 3), np.float32), np.zeros(2, int), "float32"),
        (np.zeros((2, 64, 64, 3), np.uint8), np.zeros(2, int), "64"),
        (np.zeros((2, SIZE, SIZE, 3), np.uint8), np.zeros((2, 1), int), "labels"),
        (np.zeros((2, SIZE, SIZE, 3), np.uint8), np.zeros(2), "labels"),
    ],
)
def test_other_arrays_are_refused(batch: np.ndarray, labels: np.ndarray, what: str) -> None:
    with pytest.raises(PushFitError, match=what):
        Seen().look(batch, labels)


def test_an_unknown_rival_is_refused(photos: Path) -> None:
    with pytest.raises(ConfigError, match="--rivals: there is no 'tfdat', did you mean 'tfdata'"):
        images.run(["--links", str(photos), "--rivals", "tfdat"])


# -- the whole ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("rival", ["torch", "tfdata"])
def test_sides_are_compared(rival: str, photos: Path) -> None:
    if importlib.util.find_spec({"tfdata": "tensorflow"}.get(rival, rival)) is None:
        pytest.skip("pip install -e '.[bench]'")
    words = f"--rivals {rival} --rounds 1 --seconds 0.3 --warm 0.1"
    result = images.run(["--links", str(photos), *words.split()])
    assert result["failed"] == []
    ratios, figures = result["ratios"], result["figures"]
    assert ratios["vs_best_tuned"] == ratios[f"vs_{rival}_tuned"] > 0
    assert ratios[f"vs_{rival}_tuned_cpu"] > 0
    assert ratios[f"vs_{rival}_tuned_alone"] > 0
    assert 0 < ratios["library_share"] < 1
    assert figures["photos"] == 40
    for side in ("ours", f"{rival}_tuned"):
        assert figures[f"{side}_images_per_s"] > 0
        assert figures[f"{side}_cpu_ms"] > 0
        assert figures[f"{side}_alone_images_per_cpu_s"] > 0


@pytest.mark.slow
def test_a_side_that_cannot_run_is_named_and_left_out(photos: Path) -> None:
    words = "--part loaders --rivals torch --rounds 1 --seconds 0.1 --warm 0 --task nowhere.py"
    result = images.run(["--links", str(photos), *words.split()])
    (sentence,) = [each for each in result["failed"] if each.startswith("ours: ")]
    assert "nowhere.py" in sentence
    assert result["ratios"] == {}
