"""Random resized crops lie within the photo, and have the shares and ratios that were asked for."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pushfit.tasks.images.crops import Box, centre, random_resized

SIDES = st.integers(1, 5000)


@given(
    width=SIDES,
    height=SIDES,
    shares=st.tuples(st.floats(0.001, 1), st.floats(0.001, 1)).map(sorted),
    ratios=st.tuples(st.floats(0.02, 50), st.floats(0.02, 50)).map(sorted),
    seed=st.integers(0, 99),
)
def test_a_crop_lies_within_the_photo(
    width: int, height: int, shares: list[float], ratios: list[float], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    box = random_resized(width, height, (shares[0], shares[1]), (ratios[0], ratios[1]), rng)
    assert 0 <= box.left < box.right <= width
    assert 0 <= box.top < box.bottom <= height


def test_shares_and_ratios_are_uniform_and_logarithmic() -> None:
    rng = np.random.Generator(np.random.Philox(3))
    boxes = [random_resized(4000, 4000, (0.1, 0.5), (0.5, 2.0), rng) for _ in range(4000)]
    areas = np.array([(b.right - b.left) * (b.bottom - b.top) / 4000**2 for b in boxes])
    slants = np.array([math.log((b.right - b.left) / (b.bottom - b.top)) for b in boxes])
    assert 0.0999 < areas.min() < 0.11 and 0.49 < areas.max() < 0.5001
    assert abs(areas.mean() - 0.3) < 0.01
    assert abs(slants.mean()) < 0.03
    assert abs((np.abs(slants) < math.log(2) / 2).mean() - 0.5) < 0.03
    lefts = np.array([b.left / max(4000 - (b.right - b.left), 1) for b in boxes])
    assert abs(lefts.mean() - 0.5) < 0.02 and lefts.min() < 0.01 and lefts.max() > 0.99


def test_a_photo_that_no_draw_fits_gives_its_middle() -> None:
    rng = np.random.default_rng(0)
    assert random_resized(4000, 10, (1.0, 1.0), (0.75, 4 / 3), rng) == Box(1993, 0, 2006, 10)
    assert random_resized(10, 4000, (1.0, 1.0), (0.75, 4 / 3), rng) == Box(0, 1993, 10, 2006)


def test_the_whole_photo_where_all_of_it_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    assert random_resized(300, 300, (1.0, 1.0), (1.0, 1.0), rng) == Box(0, 0, 300, 300)


def test_the_square_in_the_middle() -> None:
    assert centre(400, 256, 0.875) == Box(88, 16, 312, 240)
    assert centre(256, 400, 1.0) == Box(0, 72, 256, 328)
    assert centre(1, 1, 0.1) == Box(0, 0, 1, 1)
