"""Whatever is drawn becomes an image as MNIST's are: light on dark, in the box, centred by mass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pushfit.errors import BadRecord
from pushfit.serving import pictures
from pushfit.tasks.digits import drawn_digit
from pushfit.tasks.digits.task import DigitsParams, DigitsTask

HANDS = sorted((Path(__file__).parents[2] / "support" / "drawn").glob("*.png"))


def rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey.astype(np.uint8)[..., np.newaxis], 3, axis=2)


def a_seven(side: int = 200, line: int = 20) -> np.ndarray:
    """(side, side) uint8, 255 on 0, far from the middle."""
    sheet = np.zeros((side, side), np.uint8)
    top, left, high, wide = side // 20, side // 3, side // 2, side // 4
    sheet[top : top + line, left : left + wide] = 255
    sheet[top : top + high, left + wide - line : left + wide] = 255
    return sheet


def box_of(image: np.ndarray) -> tuple[int, int]:
    rows, columns = (np.flatnonzero(image.max(axis=axis)) for axis in (1, 0))
    return int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)


def mass_of(image: np.ndarray) -> tuple[float, float]:
    y, x = np.indices(image.shape)
    return float((y * image).sum() / image.sum()), float((x * image).sum() / image.sum())


@pytest.mark.parametrize("path", HANDS, ids=lambda path: path.stem)
def test_a_drawing_fills_the_box_light_on_dark_with_its_mass_in_the_middle(path: Path) -> None:
    image = drawn_digit.image(np.asarray(Image.open(path).convert("RGB")), 28)
    assert image.shape == (28, 28) and image.dtype == np.uint8
    assert max(box_of(image)) in (19, 20) and image.max() == 255
    assert np.abs(np.array(mass_of(image)) - 14).max() < 0.75
    assert 0.04 < (image > 127).mean() < 0.3  # a line, not a filled box, nor its paper


def test_there_are_ten_drawings() -> None:
    assert [path.stem for path in HANDS] == list("0123456789")


@pytest.mark.parametrize(
    ("ink", "paper"),
    [((0, 0, 0), (255, 255, 255)), ((255, 255, 255), (0, 0, 0)), ((200, 30, 30), (40, 110, 60)),
     ((90, 90, 90), (140, 140, 140))],
)  # fmt: skip
def test_colours_and_brightness_do_not_matter(ink: tuple[int, ...], paper: tuple[int, ...]) -> None:
    share = a_seven()[..., np.newaxis] / 255
    picture = (share * np.array(ink) + (1 - share) * np.array(paper)).astype(np.uint8)
    np.testing.assert_array_equal(
        drawn_digit.image(picture, 28), drawn_digit.image(rgb(a_seven()), 28)
    )


def test_size_and_shape_of_the_picture_do_not_matter() -> None:
    wanted = drawn_digit.image(rgb(a_seven()), 28).astype(int)
    for picture in (
        rgb(np.pad(a_seven(), ((300, 100), (10, 600)))),
        np.asarray(Image.fromarray(rgb(a_seven())).resize((900, 900), Image.Resampling.BICUBIC)),
    ):
        assert np.abs(drawn_digit.image(picture, 28) - wanted).mean() < 6


def test_noise_shade_and_dust_are_not_ink() -> None:
    rng = np.random.default_rng(0)
    clean = 230 - a_seven(400, 40) * (180 / 255)
    noisy = clean * np.linspace(0.85, 1, 400) + rng.normal(0, 6, clean.shape)
    noisy[390, 5] = noisy[395, 390] = 0
    found = drawn_digit.image(rgb(np.clip(noisy, 0, 255)), 28).astype(int)
    assert np.abs(found - drawn_digit.image(rgb(clean), 28)).mean() < 6


def test_a_thin_line_is_drawn_as_a_pen_would() -> None:
    thin, pen = (drawn_digit.image(rgb(a_seven(300, line)), 28) for line in (1, 17))
    assert (thin > 127).sum() > 0.7 * (pen > 127).sum()


@pytest.mark.parametrize(
    "picture",
    [np.full((50, 40, 3), 255), np.zeros((1, 1, 3)), np.full((200, 200, 3), 128),
     128 + np.random.default_rng(0).integers(0, 12, (90, 90, 3))],
    ids=["white", "a pixel", "grey", "noise"],
)  # fmt: skip
def test_nothing_drawn(picture: np.ndarray) -> None:
    with pytest.raises(BadRecord, match="nothing is drawn"):
        drawn_digit.image(picture.astype(np.uint8), 28)


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (28, 28), (5, 900), (900, 5), (28, 29)])
def test_whatever_is_sent_there_is_an_image_or_a_reason(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    for picture in (rng.integers(0, 256, (*shape, 3)), np.eye(*shape)[..., None] * [255, 0, 0]):
        try:
            image = drawn_digit.image(picture.astype(np.uint8), 28)
        except BadRecord:
            continue
        assert image.shape == (28, 28) and image.max() == 255


def test_a_sample_of_the_task_is_what_its_model_takes() -> None:
    task = DigitsTask(DigitsParams(side=20))
    sample = task.from_picture(rgb(a_seven()))
    x, _ = task.to_fit({name: np.asarray(value)[np.newaxis] for name, value in sample.items()})
    assert x.shape == (1, 20, 20, 1) and x.dtype == np.uint8
    assert max(box_of(x[0, ..., 0])) in (13, 14)


def test_an_image_as_mnist_has_it_comes_back_as_it_was() -> None:
    """What was put into the frame once is in its place: the rule moves it no more."""
    assert len(HANDS) == 10
    for path in HANDS:
        once = drawn_digit.image(pictures.decode(path.read_bytes(), 10**6, upright=True), 28)
        again = drawn_digit.image(rgb(once), 28)
        assert np.abs(again.astype(int) - once).mean() < 1
