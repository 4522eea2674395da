from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from tests.e2e.processes import ROOT, Starter

CAMERAS = ROOT.parent / "shared" / "data" / "cameras"


@pytest.fixture
def start() -> Iterator[Starter]:
    starter = Starter(uuid.uuid4().hex)
    yield starter
    starter.close()


def write_photos(
    links: Path,
    classes: tuple[str, ...] = ("alpha", "beta"),
    train: int = 4,
    val: int = 2,
    size: tuple[int, int] = (120, 160),
) -> Path:
    """Noise of 160 × 120 pixels, darker in the first class: JPEGs in the camera layout."""
    rng = np.random.default_rng(0)
    for folder, count in (("train", train), ("val_images", val)):
        for label, name in enumerate(classes):
            (links / folder / name).mkdir(parents=True)
            for number in range(count):
                photo = np.clip(rng.normal(60 + 120 * label, 30, (*size, 3)), 0, 255)
                jpeg = simplejpeg.encode_jpeg(photo.astype(np.uint8), quality=90)
                (links / folder / name / f"{number:02}.jpg").write_bytes(jpeg)
    return links


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A links folder with two classes of four training photos and two for validation."""
    return write_photos(tmp_path / "links")


@pytest.fixture
def cameras() -> Path:
    """The real photos, where this machine has them."""
    if not CAMERAS.is_dir():
        pytest.skip(f"no real photos at {CAMERAS}")
    return CAMERAS


@pytest.fixture
def real_or_tiny(tmp_path: Path) -> Path:
    """The real photos; elsewhere small ones, so that the test runs all the same."""
    return CAMERAS if CAMERAS.is_dir() else write_photos(tmp_path / "links", train=24)
