"""Jitter, greyscale and blur against their definitions in floating point."""

from __future__ import annotations

import colorsys
import math
from collections import Counter
from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
from PIL import Image

from pushfit.tasks.images import colour, operations
from pushfit.tasks.images.colour import SIGMAS
from tests.support.patterns import chi_square, grain, pattern, sha

IMAGES = {"pattern": pattern(64), "grain": grain(64)}


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def jittered(strengths: Sequence[float], source: np.random.Generator) -> list[tuple[str, float]]:
    """The names and values of a draw of jitter, in order."""
    drawn = []
    for change in colour.jitter(strengths, source):
        assert isinstance(change, partial)
        (value,) = change.keywords.values()
        drawn.append((change.func.__name__, value))
    return drawn


def test_jitter_is_drawn_from_its_range() -> None:
    source, drawn = rng(0), []
    for _ in range(4_000):
        drawn += jittered((0.4, 1.5, 0.2, 0.1), source)
    ranges = {"brightness": (-0.4, 0.4), "contrast": (-1, 1.5), "color": (-0.2, 0.2)}
    ranges["hue"] = (-0.1, 0.1)
    for name, (low, high) in ranges.items():
        values = np.array([value for drawn_name, value in drawn if drawn_name == name])
        assert len(values) == 4_000
        assert low <= values.min() and values.max() <= high
        counts, _ = np.histogram(values, bins=10, range=(low, high))
        assert chi_square(counts.tolist()) < 27.9  # 9 degrees of freedom, 1 in 1,000


def test_jitter_is_applied_in_any_order() -> None:
    source = rng(1)
    draws = [tuple(name for name, _ in jittered((0.1,) * 4, source)) for _ in range(4_800)]
    orders = Counter(draws)
    assert len(orders) == 24
    assert chi_square(list(orders.values())) < 49.7  # 23 degrees of freedom, 1 in 1,000


def test_a_strength_that_is_0_or_missing_changes_nothing() -> None:
    assert jittered((), rng(2)) == jittered((0, 0, 0, 0), rng(2)) == []
    (only,) = jittered((0, 0.3), rng(2))
    assert only[0] == "contrast"
    whole = dict(jittered((0.3, 0.3, 0.3, 0.3), rng(2)))
    assert whole["contrast"] == only[1]  # one strength has no effect on the draw of another


@pytest.mark.parametrize("turn", [-0.5, -0.2, 0, 0.004, 0.1, 0.5])
def test_hues_are_turned(turn: float) -> None:
    """Against colorsys; bytes of hue, saturation and value lose some levels."""
    image = np.array([[[200, 40, 40], [40, 200, 40], [90, 90, 90], [30, 120, 210]]], np.uint8)
    made = np.asarray(colour.hue(Image.fromarray(image), turn))
    for pixel, turned in zip(image[0], made[0], strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255))
        wanted = np.array(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)) * 255
        assert np.abs(wanted - turned).max() < 10
    assert np.array_equal(made[0, 2], image[0, 2])  # grey has no hue
    assert np.array_equal(made.max(axis=2), image.max(axis=2))


def test_hues_are_those_of_pillow() -> None:
    """Every hue with levels of saturation and value, as Pillow turns it into red, green, blue."""
    levels = np.arange(0, 256, 3, dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(len(levels), -1, 3)
    picture = Image.fromarray(cube)
    for turn in (-0.5, -0.31, 0, 0.004, 0.2, 0.5):
        hues, saturation, value = picture.convert("HSV").split()
        turned = hues.point([(level + int(turn * 255)) % 256 for level in range(256)])
        wanted = Image.merge("HSV", (turned, saturation, value)).convert("RGB")
        assert np.array_equal(np.asarray(colour.hue(picture, turn)), np.asarray(wanted)), turn


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_grey_is_luma_in_all_channels(image: np.ndarray) -> None:
    made = np.asarray(colour.greyscale(Image.fromarray(image)))
    assert made.shape == image.shape and made.dtype == np.uint8
    luma = image @ np.array([0.299, 0.587, 0.114])
    assert np.abs(made - luma[..., np.newaxis]).max() <= 0.51
    assert (made[..., 0] == made[..., 1]).all() and (made[..., 0] == made[..., 2]).all()


def gaussian(image: np.ndarray, sigma: float, radius: int) -> np.ndarray:
    """The blurred image in floating point, mirrored at its edges."""
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    padded = np.pad(image.astype(float), ((radius, radius), (radius, radius), (0, 0)), "reflect")
    side = len(image)
    rows = sum(weight * padded[step : step + side] for step, weight in enumerate(weights))
    made: np.ndarray = sum(
        weight * rows[:, step : step + side] for step, weight in enumerate(weights)
    )
    return made


@pytest.mark.parametrize("side", [8, 39, 64, 224])
@pytest.mark.parametrize("sigma", [10, 33, 70, 100, 151, 200])
def test_a_blur_is_nearly_that_in_floating_point(side: int, sigma: int) -> None:
    for image in (pattern(side), grain(side)):
        wanted = gaussian(image, sigma / 100, max(1, side // 20))
        made = colour.blurred(image, sigma)
        assert made.shape == image.shape and made.dtype == np.uint8
        assert np.abs(made - wanted).max() <= 3
        assert abs(made.mean() - wanted.mean()) < 0.25


def test_a_kernel_is_a_mean() -> None:
    for sigma in SIGMAS:
        for radius in (1, 3, 11):
            middle, *sides = colour.kernel(sigma, radius)
            assert middle + 2 * sum(sides) == 256 and len(sides) <= radius
            assert sorted([middle, *sides], reverse=True)[1:] == sides and min(sides, default=1) > 0
    assert colour.kernel(10, 11) == (256,)
    wide = colour.kernel(200, 11)
    spread = 2 * sum(weight * step * step for step, weight in enumerate(wide)) / 256
    assert math.sqrt(spread) == pytest.approx(2, abs=0.06)


def test_a_blur_has_no_direction_and_no_drift() -> None:
    image, plain = grain(48), np.full((48, 48, 3), 255, np.uint8)
    for sigma in (40, 120, 200):
        made = colour.blurred(image, sigma)
        assert np.array_equal(colour.blurred(image[:, ::-1], sigma), made[:, ::-1])
        assert np.array_equal(colour.blurred(image[::-1], sigma), made[::-1])
        assert np.array_equal(colour.blurred(plain, sigma), plain)
    assert np.array_equal(image, grain(48))


def test_the_bytes_are_those_of_every_host() -> None:
    image = pattern(40)
    picture = Image.fromarray(image)
    assert sha(colour.blurred(image, 137)) == "6a9588f84f06e79e"
    assert sha(np.asarray(colour.hue(picture, 0.1))) == "276b69037418f0f4"
    assert sha(np.asarray(colour.greyscale(picture))) == "dd6dac27052fceb9"
    assert colour.kernel(137, 11) == (74, 57, 26, 7, 1)
    assert operations.factor(1.27) == 10404 / 8192
