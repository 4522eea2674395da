"""Erased rectangles: where they lie, how large they are, and what is left in them."""

from __future__ import annotations

import numpy as np
import pytest

from pushfit.tasks.images import erasing
from pushfit.tasks.images.erasing import MEAN, RATIO, SCALE, SPREAD
from tests.support.patterns import chi_square, sha

SIDE = 100
WHITE = np.full((SIDE, SIDE, 3), 255, np.uint8)


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def test_rectangles_have_the_areas_and_ratios_that_were_asked_for() -> None:
    source = rng(0)
    found = [erasing.rectangle(1000, 1000, source) for _ in range(4_000)]
    tops, lefts, heights, widths = np.array([each for each in found if each]).T
    assert len(tops) == 4_000
    assert (tops >= 0).all() and (tops + heights <= 1000).all()
    assert (lefts >= 0).all() and (lefts + widths <= 1000).all()
    ratios, areas = np.log(heights / widths), heights * widths / 1e6
    low, high = np.log(RATIO)
    assert low - 0.01 <= ratios.min() and ratios.max() <= high + 0.01
    assert SCALE[0] - 0.001 <= areas.min() and areas.max() <= SCALE[1] + 0.001
    # A large one of an extreme ratio does not fit, and is drawn again: so look at the small ones.
    small = areas < 0.26
    shares, _ = np.histogram(areas[small], bins=10, range=(SCALE[0], 0.26))
    assert chi_square(shares.tolist()) < 27.9  # 9 degrees of freedom, 1 in 1,000
    slopes, _ = np.histogram(ratios[small], bins=10, range=(low, high))
    assert chi_square(slopes.tolist()) < 27.9
    places, _ = np.histogram(tops / (1000 - heights), bins=10, range=(0, 1))
    assert chi_square(places.tolist()) < 27.9
    places, _ = np.histogram(lefts / (1000 - widths), bins=10, range=(0, 1))
    assert chi_square(places.tolist()) < 27.9


@pytest.mark.parametrize(("fill", "level"), [("mean", MEAN), ("black", (0, 0, 0))])
def test_a_rectangle_and_nothing_else_is_covered(
    fill: erasing.Fill, level: tuple[int, int, int]
) -> None:
    for seed in range(50):
        found = erasing.rectangle(SIDE, SIDE, rng(seed))
        assert found is not None
        top, left, height, width = found
        made = erasing.erased(WHITE, fill, rng(seed))
        covered = (made != 255).any(axis=2)
        assert covered.sum() == height * width
        assert covered[top : top + height, left : left + width].all()
        assert (made[covered] == level).all()
    assert (WHITE == 255).all()


def test_noise_has_the_mean_and_the_spread_of_imagenet() -> None:
    source, values = rng(1), []
    for _ in range(40):
        made = erasing.erased(WHITE, "noise", source)
        # 255 is among the noise, but a whole pixel of it hardly ever.
        values.append(made[(made != 255).any(axis=2)])
    drawn = np.concatenate(values).astype(float)
    assert np.abs(drawn.mean(axis=0) - MEAN).max() < 1.5
    assert np.abs(drawn.std(axis=0) - SPREAD).max() < 2.5
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < 0.02


def test_where_no_rectangle_fits_the_image_stays() -> None:
    dot = np.full((1, 1, 3), 7, np.uint8)
    assert erasing.rectangle(1, 1, rng(2)) is None
    assert erasing.erased(dot, "black", rng(2)) is dot


def test_the_bytes_are_those_of_every_host() -> None:
    made = [sha(erasing.erased(WHITE, fill, rng(3))) for fill in ("mean", "black", "noise")]
    assert made == ["d1b76cdb46578c3e", "a0360f5051e239d8", "71e68e904f951d75"]
