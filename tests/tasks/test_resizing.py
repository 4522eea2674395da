"""The fast resize is Pillow's within a level, whatever the host's CPU can do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushfit.tasks import resizing
from pushfit.tasks.camera.manipulations import KNOWN, Resize
from tests.support.scenes import scene, whole, worst

pytestmark = pytest.mark.skipif(not resizing.FAST, reason="no cykooz-resizer here")
RESIZES = [name for name, way in KNOWN.items() if isinstance(way, Resize)]


def noise(seed: int, height: int, width: int, levels: int) -> np.ndarray:
    """The hardest case: every pixel on its own; with 2 levels, black and white only."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, levels, (height, width, 3)) * (255 // (levels - 1))).astype(np.uint8)


@settings(max_examples=60)
@given(
    name=st.sampled_from(RESIZES),
    height=st.integers(80, 200),
    width=st.integers(80, 200),
    levels=st.sampled_from([2, 16, 256]),
    seed=st.integers(0, 99),
)
def test_noise_comes_out_as_by_pillow(
    name: str, height: int, width: int, levels: int, seed: int
) -> None:
    photo = noise(seed, height, width, levels)
    way = KNOWN[name]
    new_width, new_height = way.size(width, height)
    side = min(new_width, new_height) - 1
    theirs = whole(photo, name)[1 : 1 + side, :side].astype(int)
    apart = np.abs(way.cut(photo, 0, 1, side) - theirs)
    assert apart.max() <= 2
    assert (apart > 1).sum() <= 2 + apart.size // 10_000
    assert (apart > 0).mean() < 0.03


@pytest.mark.parametrize("name", ["resize0.5", "resize2.0"])
def test_halves_and_doubles_are_within_a_level(name: str) -> None:
    for photo in (scene(400, 600), noise(1, 400, 600, 256), noise(2, 400, 600, 2)):
        new_width, new_height = KNOWN[name].size(600, 400)
        side = min(new_width, new_height)
        assert worst(photo, whole(photo, name), name, new_width - side, 0, side) <= 1


@pytest.mark.parametrize("name", ["resize0.8", "resize1.5"])
def test_no_further_from_the_whole_photo_than_pillow_itself(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow rounds its boxes to 32 bits, so its own regions are not the whole photo's either."""
    photo = scene(801, 1203)
    manipulated = whole(photo, name)
    far = []
    for fast in (True, False):
        monkeypatch.setattr(resizing, "FAST", fast)
        apart = [
            np.abs(KNOWN[name].cut(photo, x, y, 224).astype(int) - manipulated[y:, x:][:224, :224])
            for x in range(1, 700, 137)
            for y in range(1, 400, 101)
        ]
        assert max(each.max() for each in apart) <= 2
        far.append(sum(int((each > 1).sum()) for each in apart))
    ours, pillows = far
    assert ours <= max(pillows, 6), far  # of 3.6 million values


@pytest.mark.parametrize("name", RESIZES)
def test_pillow_alone_stays_within_two_levels(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resizing, "FAST", False)
    for photo in (scene(200, 301), noise(1, 200, 301, 256)):
        manipulated = whole(photo, name)
        assert worst(photo, manipulated, name, 13, 7, 60) <= 2


def test_the_bytes_do_not_depend_on_the_cpu() -> None:
    from cykooz_resizer import CpuExtensions

    photo = noise(5, 300, 417, 256)
    _, resizer = resizing._tools("bicubic")
    usual = resizer.cpu_extensions
    made = []
    try:
        for extensions in {CpuExtensions.none, CpuExtensions.sse4_1, usual} - {CpuExtensions.neon}:
            try:
                resizer.cpu_extensions = extensions
            except ValueError:  # not on this CPU
                continue
            made.append([KNOWN[name].cut(photo, 5, 3, 101).tobytes() for name in RESIZES])
    finally:
        resizer.cpu_extensions = usual
    assert len(made) > 1
    assert all(each == made[0] for each in made)
