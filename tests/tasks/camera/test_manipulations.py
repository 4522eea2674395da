"""A manipulated patch has the pixels of the whole photo, manipulated, at that place."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushfit.tasks.camera.manipulations import KNOWN, NONE, Resize
from pushfit.tasks.camera.params import ALL, Name
from tests.support.scenes import scene, whole, worst

RESIZES = [name for name in KNOWN if name.startswith("resize")]


def test_the_names_are_the_eight_of_the_competition() -> None:
    assert tuple(KNOWN) == ALL == get_args(Name)
    assert all(way.name == name for name, way in KNOWN.items())


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("height, width", [(230, 301), (256, 320)])
def test_a_patch_is_that_of_the_whole_photo(name: str, height: int, width: int) -> None:
    photo = scene(height, width)
    manipulated = whole(photo, name)
    new_width, new_height = KNOWN[name].size(width, height)
    assert manipulated.shape == (new_height, new_width, 3)
    rng = np.random.default_rng(1)
    for side in (1, 50, 64, 100):
        right, bottom = new_width - side, new_height - side
        places = [(0, 0), (right, bottom), (0, bottom), (right, 0), (1, 1), (15, 17), (16, 32)]
        places += [(int(rng.integers(right + 1)), int(rng.integers(bottom + 1))) for _ in range(6)]
        for x, y in places:
            difference = worst(photo, manipulated, name, min(x, right), min(y, bottom), side)
            assert difference <= (2 if name in RESIZES else 0), (side, x, y)


@settings(max_examples=60)
@given(
    name=st.sampled_from(RESIZES),
    height=st.integers(40, 90),
    width=st.integers(40, 90),
    side=st.integers(1, 20),
    where=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_resized_patches_of_photos_of_any_size(
    name: str, height: int, width: int, side: int, where: tuple[float, float]
) -> None:
    photo = scene(height, width)
    new_width, new_height = KNOWN[name].size(width, height)
    x, y = int(where[0] * (new_width - side)), int(where[1] * (new_height - side))
    assert worst(photo, whole(photo, name), name, x, y, side) <= 2


def test_steps_land_on_multiples_of_the_photo_before() -> None:
    for way in KNOWN.values():
        assert way.step(1) == 1
        for step in (2, 8):
            after = way.step(step)
            before = after * way.down / way.up if isinstance(way, Resize) else after
            assert before % step == 0
    assert KNOWN["resize0.8"].step(8) == 32


def test_no_manipulation_copies_nothing() -> None:
    photo = scene(40, 40)
    patch = NONE.cut(photo, 3, 5, 20)
    assert np.shares_memory(patch, photo)
    assert np.array_equal(patch, photo[5:25, 3:23])
