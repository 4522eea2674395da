"""Turned, zoomed and shifted: right, and the same for an image alone and in a block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.tasks.digits import affine, elastic
from pushfit.tasks.digits.affine import MAX_SIDE, Affine

SHARES = st.floats(-1, 1, allow_nan=False)


def noise(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(side).integers(0, 256, (count, side, side), np.uint8)


def moved(  # type: ignore[no-untyped-def]
    images: np.ndarray,
    angle: float = 0,
    zoom: float = 1,
    x: float = 0,
    y: float = 0,
    shear: float = 0,
    bends: np.ndarray | None = None,
):
    count, side, _ = images.shape
    shift = np.tile([x / side, y / side], (count, 1))
    way = (np.full(count, value) for value in (angle, zoom))
    bent = None if bends is None else np.tile(bends, (count, 1))
    return Affine(side).warp(images, *way, shift, np.full(count, shear), bent)


def bilinear(
    image: np.ndarray,
    angle: float,
    zoom: float,
    x: float,
    y: float,
    shear: float = 0,
    field: np.ndarray | None = None,
) -> np.ndarray:
    """The same in floating point, from the formula. field: (2, side, side) pixels."""
    side = len(image)
    centre, turn = (side - 1) / 2, np.deg2rad(angle)
    row, column = np.mgrid[:side, :side] - centre
    column, row = column - x, row - y
    column = column - shear * row
    source_x = (np.cos(turn) * column - np.sin(turn) * row) / zoom + centre
    source_y = (np.sin(turn) * column + np.cos(turn) * row) / zoom + centre
    if field is not None:
        source_x, source_y = source_x + field[0], source_y + field[1]
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


@given(st.integers(1, MAX_SIDE), SHARES, SHARES, SHARES, SHARES, SHARES, st.integers(0, 99))
def test_it_is_bilinear_over_all_that_is_allowed(
    side: int, angle: float, zoom: float, x: float, y: float, shear: float, seed: int
) -> None:
    ramp = np.add.outer(np.arange(side), 2 * np.arange(side)).astype(np.uint8)
    limit = affine.MAX_SHIFT * side
    way = 180 * angle, 1 + affine.MAX_ZOOM * zoom, limit * x, limit * y, affine.MAX_SHEAR * shear
    bends = affine.MAX_BEND * np.sign(np.random.default_rng(seed).uniform(-1, 1, elastic.BENDS))
    field = elastic.Elastic(side).field(bends[np.newaxis] * side)[0] / 256
    wanted = bilinear(ramp, *way, field)
    # Each coordinate is within 1/256 pixel, so where neighbours differ by d, d/128 levels.
    steep = 2 + int(ramp.max()) / 64
    assert np.abs(moved(ramp[np.newaxis], *way, bends)[0] - wanted).max() <= steep


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
    shift = rng.uniform(-0.25, 0.25, (count, 2))
    more = rng.uniform(-0.5, 0.5, count), rng.uniform(-0.2, 0.2, (count, elastic.BENDS))
    warp = Affine(28)
    whole = warp.warp(images, angle, zoom, shift, *more)
    for one in (*range(0, count, 17), count - 1):
        part = slice(one, one + 1)
        alone = warp.warp(
            images[part], angle[part], zoom[part], shift[part], *(each[part] for each in more)
        )
        np.testing.assert_array_equal(alone[0], whole[one])


def test_the_sine_is_a_sine() -> None:
    angles = np.linspace(-np.pi, np.pi, 1001)
    sine, cosine = affine._sine_cosine(angles)
    assert np.abs(sine - np.sin(angles)).max() < 1e-10
    assert np.abs(cosine - np.cos(angles)).max() < 1e-10


def test_a_field_is_smooth_bounded_and_the_controls_where_they_are_all_alike() -> None:
    bends = np.random.default_rng(3).uniform(-3, 3, (50, elastic.BENDS))
    field = elastic.Elastic(28).field(bends) / 256
    assert field.shape == (50, 2, 28, 28)
    assert np.abs(field).max() <= np.abs(bends).max() and np.abs(field).max() > 0.8
    assert np.abs(np.diff(field, axis=-1)).max() < 0.7  # pixels: neighbours keep their order
    assert (elastic.Elastic(28).field(np.full((1, elastic.BENDS), 1.5)) == 384).all()
    right = np.repeat([[2.0, 0.0]], elastic.BENDS // 2, axis=1)  # to the right alone
    assert (elastic.Elastic(9).field(right)[0] == np.array([512, 0])[:, None, None]).all()
