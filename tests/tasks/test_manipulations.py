"""A manipulated patch has the pixels of the whole photo, manipulated, at that place."""

from __future__ import annotations

import io
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lib.tasks.camera import ALL, Name
from lib.tasks.manipulations import KNOWN, NONE, Resize

RESIZES = [name for name in KNOWN if name.startswith("resize")]


def scene(height: int, width: int, seed: int = 3) -> np.ndarray:
    """Edges, waves and grain: (height, width, 3) uint8."""
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(seed)
    base = 128 + 70 * np.sin(x / 3.1) * np.cos(y / 4.3) + 50 * ((x // 17 + y // 13) % 2)
    return np.clip(base[..., None] + rng.normal(0, 12, (height, width, 3)), 0, 255).astype(np.uint8)


def whole(photo: np.ndarray, name: str) -> np.ndarray:
    """The whole photo, manipulated by Pillow alone; resized rows first, as a landscape photo is."""
    image = Image.fromarray(photo)
    if name.startswith("jpeg"):
        out = io.BytesIO()
        image.save(out, "JPEG", quality=int(name[4:]), subsampling="4:2:0")
        return np.asarray(Image.open(out))
    if name.startswith("gamma"):
        table = [round(255 * (v / 255) ** float(name[5:])) for v in range(256)]
        return np.asarray(image.point(table * 3))
    factor = float(name[6:])
    width, height = round(photo.shape[1] * factor), round(photo.shape[0] * factor)
    wide = image.resize((width, photo.shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(wide.resize((width, height), Image.Resampling.BICUBIC))


def worst(photo: np.ndarray, manipulated: np.ndarray, name: str, x: int, y: int, side: int) -> int:
    """The largest difference, in levels, between our patch and that of the whole."""
    ours = KNOWN[name].cut(photo, x, y, side)
    assert ours.shape == (side, side, 3)
    assert ours.dtype == np.uint8
    theirs = manipulated[y : y + side, x : x + side]
    return int(np.abs(ours.astype(int) - theirs).max())


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
