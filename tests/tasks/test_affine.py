"""Turned, zoomed and shifted: right, and the same for an image alone and in a block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.tasks import affine
from lib.tasks.affine import MAX_SIDE, Affine

SHARES = st.floats(-1, 1, allow_nan=False)


def noise(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(side).integers(0, 256, (count, side, side), np.uint8)


def moved(images: np.ndarray, angle: float = 0, zoom: float = 1, x: float = 0, y: float = 0):  # type: ignore[no-untyped-def]
    count, side, _ = images.shape
    shift = np.tile([x / side, y / side], (count, 1))
    return Affine(side).warp(images, np.full(count, angle), np.full(count, zoom), shift)


def bilinear(image: np.ndarray, angle: float, zoom: float, x: float, y: float) -> np.ndarray:
    """The same in floating point, from the formula."""
    side = len(image)
    centre, turn = (side - 1) / 2, np.deg2rad(angle)
    row, column = np.mgrid[:side, :side] - centre
    column, row = column - x, row - y
    source_x = (np.cos(turn) * column - np.sin(turn) * row) / zoom + centre
    source_y = (np.sin(turn) * column + np.cos(turn) * row) / zoom + centre
    far = 4 * MAX_SIDE
    padded = np.pad(image.astype(float), far)
    left, top = np.floor(source_x).astype(int), np.floor(source_y).astype(int)
    right_share, low_share = source_x - left, source_y - top
    rows = [
        padded[at + far, left + far] * (1 - right_share)
        + padded[at + far, left + 1 + far] * right_share
        for at in (top, top + 1)
    ]
    return rows[0] * (1 - low_share) + rows[1] * low_share


def test_nothing_moves_nothing() -> None:
    images = noise(3, 28)
    np.testing.assert_array_equal(moved(images), images)


@pytest.mark.parametrize("side", [1, 2, 27, 28, MAX_SIDE])
def test_quarter_turns_and_whole_pixels_are_exact(side: int) -> None:
    images = noise(2, side)
    for quarters in (-2, -1, 1, 2):
        turned = np.rot90(images, quarters, axes=(1, 2))
        np.testing.assert_array_equal(moved(images, angle=90 * quarters), turned)
    right = min(3, side // 2)
    shifted = np.pad(images, ((0, 0), (0, 0), (right, 0)))[:, :, :side]
    np.testing.assert_array_equal(moved(images, x=right), shifted)
    lower = np.pad(images, ((0, 0), (right, 0), (0, 0)))[:, :side]
    np.testing.assert_array_equal(moved(images, y=right), lower)


@settings(deadline=None)
@given(st.integers(1, MAX_SIDE), SHARES, SHARES, SHARES, SHARES)
def test_it_is_bilinear_over_all_that_is_allowed(
    side: int, angle: float, zoom: float, x: float, y: float
) -> None:
    ramp = np.add.outer(np.arange(side), 2 * np.arange(side)).astype(np.uint8)
    way = 180 * angle, 1 + zoom / 2, x * side / 2, y * side / 2
    wanted = bilinear(ramp, *way)
    # Each coordinate is within 1/256 pixel, so where neighbours differ by d, d/128 levels.
    steep = 2 + int(ramp.max()) / 64
    assert np.abs(moved(ramp[np.newaxis], *way)[0] - wanted).max() <= steep


def test_on_noise_within_two_levels_and_without_a_bias() -> None:
    images = noise(200, 28)
    rng = np.random.default_rng(1)
    angle, zoom = rng.uniform(-10, 10, 200), rng.uniform(0.9, 1.1, 200)
    shift = rng.uniform(-0.1, 0.1, (200, 2))
    got = Affine(28).warp(images, angle, zoom, shift).astype(float)
    wanted = np.stack(
        [
            bilinear(image, *way, *(28 * move))
            for image, *way, move in zip(images, angle, zoom, shift, strict=True)
        ]
    )
    assert np.abs(got - wanted).max() < 4  # 1/128 pixel of a jump by 255 each way
    assert np.abs(got - wanted).mean() < 0.5
    assert abs((got - wanted).mean()) < 0.01


def test_a_block_is_what_its_images_are_alone() -> None:
    count = 2 * affine.BLOCK + 3
    images, rng = noise(count, 28), np.random.default_rng(2)
    angle, zoom = rng.uniform(-180, 180, count), rng.uniform(0.5, 1.5, count)
    shift = rng.uniform(-0.5, 0.5, (count, 2))
    warp = Affine(28)
    whole = warp.warp(images, angle, zoom, shift)
    for one in (*range(0, count, 17), count - 1):
        part = slice(one, one + 1)
        alone = warp.warp(images[part], angle[part], zoom[part], shift[part])
        np.testing.assert_array_equal(alone[0], whole[one])


def test_the_sine_is_a_sine() -> None:
    angles = np.linspace(-np.pi, np.pi, 1001)
    sine, cosine = affine._sine_cosine(angles)
    assert np.abs(sine - np.sin(angles)).max() < 1e-10
    assert np.abs(cosine - np.cos(angles)).max() < 1e-10
