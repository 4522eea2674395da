"""Each operation against what its definition says, computed without Pillow."""

from __future__ import annotations

import math
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from bench.lab.processes import ROOT
from pushfit.tasks.images.operations import FACTORS, OPERATIONS, _sine_cosine, factor
from pushfit.tasks.images.operations import smooth as smooth_picture
from tests.support.patterns import grain, pattern, sha

SIDE = 40
IMAGES = {"pattern": pattern(SIDE), "grain": grain(SIDE), "plain": np.full((SIDE, SIDE, 3), 90)}
ENHANCERS = ("Brightness", "Color", "Contrast", "Sharpness")
MOVES = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")


def operated(name: str, image: np.ndarray, magnitude: float) -> np.ndarray:
    return np.asarray(OPERATIONS[name](Image.fromarray(image.astype(np.uint8)), magnitude))


def luma(image: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(image.astype(np.int64), -1, 0)
    return (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16


def smooth(image: np.ndarray) -> np.ndarray:
    """Each pixel five times and its neighbours once, by 13; pixels at an edge stay."""
    wide, side = image.astype(np.int64), len(image)
    total = 4 * wide[1:-1, 1:-1]
    for y in range(3):
        for x in range(3):
            total = total + wide[y : side - 2 + y, x : side - 2 + x]
    result = wide.copy()
    result[1:-1, 1:-1] = (2 * total + 13) // 26
    return result


def plain(name: str, image: np.ndarray) -> np.ndarray:
    """The picture between which and `image` an enhancer blends."""
    if name == "Brightness":
        return np.zeros_like(image, np.int64)
    if name == "Sharpness":
        return smooth(image)
    grey = luma(image)
    if name == "Contrast":
        grey = np.full_like(grey, math.floor(grey.mean() + 0.5))
    return np.repeat(grey[..., np.newaxis], 3, axis=2)


def blended(base: np.ndarray, image: np.ndarray, share: int) -> np.ndarray:
    """Between `base` (share 0) and `image` (share FACTORS), in integers."""
    total = base * FACTORS + share * (image.astype(np.int64) - base)
    return np.clip(total // FACTORS, 0, 255).astype(np.uint8)  # below 0 becomes 0 anyway


def gathered(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The pixels at (x, y), black outside of the image."""
    side = len(image)
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    inside = (column >= 0) & (column < side) & (row >= 0) & (row < side)
    found = image[np.clip(row, 0, side - 1), np.clip(column, 0, side - 1)]
    return np.where(inside[..., np.newaxis], found, 0)


def moved(name: str, image: np.ndarray, magnitude: float) -> np.ndarray:
    """What a movement gives, from its formula in floating point."""
    centre = len(image) / 2
    y, x = np.mgrid[: len(image), : len(image)] + 0.5
    if name == "ShearX":
        return gathered(image, x + magnitude * y, y)
    if name == "ShearY":
        return gathered(image, x, y + magnitude * x)
    if name == "TranslateX":
        return gathered(image, x - math.trunc(magnitude), y)
    if name == "TranslateY":
        return gathered(image, x, y - math.trunc(magnitude))
    turn = math.radians(magnitude)
    right, down = x - centre, y - centre
    column = math.cos(turn) * right - math.sin(turn) * down
    return gathered(image, column + centre, math.sin(turn) * right + math.cos(turn) * down + centre)


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize("name", ENHANCERS)
def test_enhancers_blend_as_in_integers(name: str, image: np.ndarray) -> None:
    for magnitude in (-1, -0.99, -0.27, -1 / 3, 0.03, 0.27, 0.9, 0.99, 1.9):
        share = round((1 + magnitude) * FACTORS)
        expected = blended(plain(name, image), image, share)
        assert np.array_equal(operated(name, image, magnitude), expected), magnitude


@pytest.mark.parametrize("side", [1, 2, 3, 4, 61])
def test_smoothing_is_that_of_pillow(side: int) -> None:
    for image in (grain(side), pattern(side), np.full((side, side, 3), 255, np.uint8)):
        picture = Image.fromarray(image)
        wanted = np.asarray(picture.filter(ImageFilter.SMOOTH))
        assert np.array_equal(np.asarray(smooth_picture(picture)), wanted)
        assert np.array_equal(np.asarray(picture), image)


@settings(max_examples=200)
@given(share=st.integers(0, 4 * FACTORS - 1))
def test_a_factor_blends_alike_whether_the_cpu_fuses_or_not(share: int) -> None:
    """Pillow's formula with one rounding and with two, for every pair of levels."""
    exact = factor(share / FACTORS)
    assert exact == share / FACTORS
    low = np.arange(256, dtype=np.float32)[:, np.newaxis]
    step = np.arange(256, dtype=np.float32) - low
    twice = low + np.float32(exact) * step
    once = (low.astype(float) + exact * step.astype(float)).astype(np.float32)
    assert np.array_equal(twice, once)


@pytest.mark.parametrize("name", MOVES)
def test_movements_take_the_pixel_of_the_formula(name: str) -> None:
    image = grain(SIDE, 1)
    for size in (0.0, 0.09, 0.3, 0.99, 4.5, 9.0, 16.7, 30.0, 90.0, 135.0):
        for magnitude in (size, -size):
            if name.startswith("Shear") and size > 1:
                continue
            differ = (operated(name, image, magnitude) != moved(name, image, magnitude)).any(-1)
            # Where a coordinate lies between two pixels, its rounding decides; at 135 degrees
            # a whole diagonal does.
            assert differ.mean() <= (0 if name.startswith("Trans") else 0.02), magnitude


def test_quarter_turns_move_every_pixel_to_a_pixel() -> None:
    for side in (SIDE, SIDE + 1):
        image = grain(side, 2)
        for turns in (-2, -1, 0, 1, 2):
            assert np.array_equal(operated("Rotate", image, 90 * turns), np.rot90(image, turns))


def test_a_negative_magnitude_is_the_mirrored_movement() -> None:
    image = grain(SIDE, 3)
    for pixels in (1, 7, 12.9, 39, 41):
        across = operated("TranslateX", image[:, ::-1], -pixels)[:, ::-1]
        assert np.array_equal(across, operated("TranslateX", image, pixels))
        down = operated("TranslateY", image[::-1], -pixels)[::-1]
        assert np.array_equal(down, operated("TranslateY", image, pixels))
        assert np.array_equal(
            operated("TranslateY", image.transpose(1, 0, 2), pixels).transpose(1, 0, 2),
            operated("TranslateX", image, pixels),
        )
    for slope in (0.1, 0.99):
        sheared = operated("ShearY", image.transpose(1, 0, 2), slope).transpose(1, 0, 2)
        assert np.array_equal(sheared, operated("ShearX", image, slope))


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_tables_of_levels(image: np.ndarray) -> None:
    for bits in range(1, 9):
        assert np.array_equal(operated("Posterize", image, bits), image >> (8 - bits) << (8 - bits))
    for threshold in (0, 0.5, 76.5, 178.5, 255, 256):
        expected = np.where(image < threshold, image, 255 - image)
        assert np.array_equal(operated("Solarize", image, threshold), expected)
    for name, expected in (("AutoContrast", stretched(image)), ("Equalize", equalized(image))):
        assert np.array_equal(operated(name, image, 0), expected)


def stretched(image: np.ndarray) -> np.ndarray:
    """Each channel from its least level at 0 to its greatest at 255."""
    channels = []
    for channel in np.moveaxis(image.astype(float), -1, 0):
        low, high = channel.min(), channel.max()
        scale = 255 / (high - low) if high > low else 0
        channels.append(np.trunc(channel * scale + -low * scale) if scale else channel)
    return np.clip(np.stack(channels, axis=-1), 0, 255).astype(np.uint8)


def equalized(image: np.ndarray) -> np.ndarray:
    """Each level becomes the share of the pixels below it, without those of the greatest level."""
    channels = []
    for channel in np.moveaxis(image.astype(np.uint8), -1, 0):
        counts = np.bincount(channel.reshape(-1), minlength=256)
        step = (counts.sum() - counts[counts.nonzero()[0][-1]]) // 255
        before = np.concatenate([[0], np.cumsum(counts)[:-1]])
        table = (step // 2 + before) // step if step else np.arange(256)
        channels.append(np.minimum(table, 255)[channel])
    return np.stack(channels, axis=-1).astype(np.uint8)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_keeps_size_type_and_its_picture(name: str) -> None:
    none = {"Posterize": 8, "Solarize": 256}.get(name, 0)
    for image in (pattern(33), grain(33)):
        picture = Image.fromarray(image)
        for magnitude in (none, 0.3 if name != "Posterize" else 4):
            made = OPERATIONS[name](picture, magnitude)
            assert (made.size, made.mode) == (picture.size, "RGB")
            assert np.array_equal(np.asarray(picture), image)
            if magnitude == none and name not in ("AutoContrast", "Equalize"):
                assert np.array_equal(np.asarray(made), image)


def test_sines_and_cosines_are_right_to_their_last_digit() -> None:
    for tenths in range(-1800, 1801):
        sine, cosine = _sine_cosine(tenths / 10)
        turn = math.radians(tenths / 10)
        assert abs(sine - math.sin(turn)) < 2**-32 and abs(cosine - math.cos(turn)) < 2**-32
    assert _sine_cosine(90.0) == (1, 0) and _sine_cosine(180.0) == (0, -1)


GOLDEN: dict[tuple[str, float], str] = {
    ("ShearX", 0.3): "0975dc2979dbf77b",
    ("ShearY", -0.3): "a47c92a1ec1778b7",
    ("TranslateX", 9.5): "4b9203e1c5dcb615",
    ("TranslateY", -9.5): "2081b33cb390a6de",
    ("Rotate", 30.0): "57cbbfa93881cf6f",
    ("Rotate", -121.5): "38d13b364239878e",
    ("Brightness", 0.27): "ee060a626b755b30",
    ("Color", -0.9): "f4babc413853249c",
    ("Contrast", 0.9): "94de41908e5d2127",
    ("Sharpness", 0.27): "98c86b7f118216e2",
    ("Posterize", 4): "dd925a40574fb00a",
    ("Solarize", 76.5): "14c59884bb4fd463",
    ("AutoContrast", 0): "0c9646222fb1a3cb",
    ("Equalize", 0): "42a313b1a5cfbe0b",
}


@pytest.mark.parametrize(("name", "magnitude"), GOLDEN)
def test_the_bytes_are_those_of_every_host(name: str, magnitude: float) -> None:
    made = sha(operated(name, pattern(SIDE), magnitude))
    assert made == GOLDEN[name, magnitude], (
        f"{name} gives other bytes: a run that is resumed with this Pillow has another stream"
    )


@pytest.mark.slow
def test_torchvision_has_the_same_pixels() -> None:
    if find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    program = [sys.executable, "-m", "tests.support.torchvision_compared"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
