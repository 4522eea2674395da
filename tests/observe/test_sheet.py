"""Contact sheets of any count and size."""

import numpy as np
import pytest
from PIL import Image, ImageFont

from pushfit.errors import OutputError
from pushfit.observe import sheet
from pushfit.observe.sheet import contact_sheet


def images(count, height=32, width=32, channels=3):
    shape = (count, height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("count", "side", "columns", "cells"),
    [(1, 32, 8, (1, 1)), (9, 32, 8, (8, 2)), (8, 300, 4, (4, 2)), (3, 28, 1, (1, 3))],
)
def test_any_count_and_size(tmp_path, count, side, columns, cells):
    path = tmp_path / "sheet.png"
    contact_sheet(images(count, side, side), ["label"] * count, path, columns)
    assert [p.name for p in tmp_path.iterdir()] == ["sheet.png"]
    with Image.open(path) as made:
        zoomed = side * max(1, -(-sheet.CELL // side))
        assert zoomed >= 120
        assert made.width == cells[0] * (zoomed + sheet.GAP) + sheet.GAP
        assert made.height >= cells[1] * zoomed


def test_pixels_are_enlarged_whole_and_captions_are_inked(tmp_path):
    pixels = images(1)
    contact_sheet(pixels, ["iPhone-6"], tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as made:
        drawn = np.asarray(made)
    photo = drawn[sheet.GAP : sheet.GAP + 128, sheet.GAP : sheet.GAP + 128]
    np.testing.assert_array_equal(photo, pixels[0].repeat(4, 0).repeat(4, 1))
    assert drawn[sheet.GAP + 128 :].min() < 100


def test_grey_images(tmp_path):
    contact_sheet(images(2, 28, 28, 1), ["3", "7"], tmp_path / "s.png")
    assert (tmp_path / "s.png").exists()


@pytest.mark.parametrize("text", ["", "x", "short one", "w" * 200, "many words " * 20, "a\nb"])
def test_captions_fit(text):
    font = ImageFont.load_default(sheet.FONT_SIZE)
    lines = sheet._wrapped(text, font, 128)
    assert len(lines) <= sheet.LINES
    assert all(font.getlength(line) <= 128 for line in lines)
    if len(text) > 50:
        assert lines[-1].endswith("…")
    else:
        assert "".join(lines).replace(" ", "") == text.replace(" ", "").replace("\n", "")


def test_what_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must be"):
        contact_sheet(images(1).astype(float), ["a"], tmp_path / "s.png")
    with pytest.raises(ValueError, match="1 images with 2 captions"):
        contact_sheet(images(1), ["a", "b"], tmp_path / "s.png")
    with pytest.raises(ValueError, match="0 images"):
        contact_sheet(images(0), [], tmp_path / "s.png")
    with pytest.raises(OutputError, match="deleted or unmounted"):
        contact_sheet(images(1), ["a"], tmp_path / "gone" / "s.png")
