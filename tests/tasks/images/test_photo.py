"""Squares cut from photos: the same however they are decoded, upright, and close to Pillow's."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from pushfit.decoding import images, turbojpeg
from pushfit.errors import BadRecord
from pushfit.tasks.images.crops import Box, random_resized
from pushfit.tasks.images.photo import MARGIN, Photo
from tests.support.scenes import scene

BOXES = [Box(0, 0, 640, 480), Box(37, 11, 500, 470), Box(101, 203, 351, 409), Box(5, 6, 69, 70)]


def encoded(
    kind: str = "JPEG", mode: str = "RGB", orientation: int = 1, **options: object
) -> bytes:
    out = io.BytesIO()
    exif = Image.Exif()
    if orientation != 1:
        exif[274] = orientation
    picture = Image.fromarray(scene(480, 640)).convert(mode)
    picture.save(out, kind, exif=exif.tobytes() if orientation != 1 else b"", **options)
    return out.getvalue()


FILES = {
    "4:2:0": encoded(quality=90, subsampling="4:2:0"),
    "4:4:4": encoded(quality=95, subsampling="4:4:4"),
    "4:2:2": encoded(quality=85, subsampling="4:2:2"),
    "grey": encoded(mode="L"),
    "progressive": encoded(progressive=True),
    "CMYK": encoded(mode="CMYK"),
    "PNG": encoded("PNG"),
}


@pytest.mark.parametrize("side", [16, 56, 224])
@pytest.mark.parametrize("name", FILES)
def test_a_square_is_the_same_however_much_was_decoded(
    name: str, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for boxes in (BOXES, BOXES[:1], BOXES[2:3]):
        partial, whole = Photo(FILES[name]), Photo(FILES[name]).whole()
        partial.need(boxes, side)
        with monkeypatch.context() as patch:  # as on a host without libturbojpeg
            patch.setattr(turbojpeg, "_library", lambda: None)
            without = Photo(FILES[name])
            without.need(boxes, side)
        for box in boxes:
            expected = whole.cut(box, side, "bilinear")
            assert (expected.shape, expected.dtype) == ((side, side, 3), np.uint8)
            np.testing.assert_array_equal(partial.cut(box, side, "bilinear"), expected)
            np.testing.assert_array_equal(without.cut(box, side, "bilinear"), expected)


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize("name", FILES)
def test_a_square_is_close_to_one_resize_by_pillow(name: str, kernel: str) -> None:
    filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    shrunken = []
    for side, box in itertools.product((32, 100, 224), BOXES):
        cut = Image.fromarray(images.decode(FILES[name])).crop(box)
        expected = np.asarray(cut.resize((side, side), filters[kernel])).astype(int)
        for exact in (True, False):
            photo = Photo(FILES[name], exact=exact)
            photo.need([box], side)
            apart = np.abs(photo.cut(box, side, kernel) - expected).mean()  # type: ignore[arg-type]
            if exact:
                assert apart <= 0.1, (side, box)
            elif photo._shrink(box, side) > 1:
                shrunken.append(apart)
    if shrunken:  # of drawn scenes, whose edges are sharper than those of photos
        assert np.mean(shrunken) <= 2
        assert max(shrunken) <= 4
    assert bool(shrunken) == (name not in ("CMYK", "PNG"))


@pytest.mark.parametrize("name", ["china.jpg", "flower.jpg"])
def test_real_photos_are_within_two_levels_on_average(name: str) -> None:
    sklearn = pytest.importorskip("sklearn.datasets", reason="scikit-learn has two real photos")
    data = (Path(sklearn.__file__).parent / "images" / name).read_bytes()
    rng, apart = np.random.default_rng(0), []
    photo = Photo(data)
    for _ in range(60):
        box = random_resized(photo.width, photo.height, (0.08, 1), (0.75, 4 / 3), rng)
        cut = Image.fromarray(images.decode(data)).crop(box)
        for side in (16, 48, 96):
            expected = np.asarray(cut.resize((side, side), Image.Resampling.BILINEAR)).astype(int)
            apart.append(np.abs(photo.cut(box, side, "bilinear") - expected).mean())
    assert np.mean(apart) < 1.5
    assert max(apart) < 4


def test_how_far_a_photo_is_shrunken() -> None:
    photo = Photo(FILES["4:2:0"])
    assert photo._shrink(Box(0, 0, 640, 480), 48) == 8
    assert photo._shrink(Box(0, 0, 640, 479), 48) == 4
    assert photo._shrink(Box(0, 0, 120, 120), 48) == 2
    assert photo._shrink(Box(0, 0, 119, 120), 48) == 1
    assert Photo(FILES["PNG"])._shrink(Box(0, 0, 640, 480), 8) == 1
    assert Photo(FILES["CMYK"])._shrink(Box(0, 0, 640, 480), 8) == 1
    assert Photo(FILES["4:2:0"], exact=True)._shrink(Box(0, 0, 640, 480), 8) == 1
    assert MARGIN > 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_as_pillow_does(orientation: int, kind: str) -> None:
    options = {"WebP": {"lossless": True}, "JPEG": {"subsampling": "4:4:4"}}.get(kind, {})
    data = encoded(kind, orientation=orientation, **options)
    assert images.orientation(data) == orientation
    opened = Image.open(io.BytesIO(data))
    upright = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    photo = Photo(data)
    assert (photo.height, photo.width) == upright.shape[:2]
    rng = np.random.default_rng(orientation)
    for side in (60, 150):
        boxes = [Box(20, 40, 20 + side, 40 + side)]
        boxes.append(random_resized(photo.width, photo.height, (0.1, 1), (0.7, 1.4), rng))
        photo = Photo(data, exact=True)
        photo.need(boxes, side)
        same = upright[40 : 40 + side, 20 : 20 + side]
        np.testing.assert_array_equal(photo.cut(boxes[0], side, "bilinear"), same)
        cut = Image.fromarray(upright).crop(boxes[1])
        expected = np.asarray(cut.resize((side, side), Image.Resampling.BILINEAR)).astype(int)
        assert np.abs(photo.cut(boxes[1], side, "bilinear") - expected).max() <= 2
    level = Photo(data, upright=False)
    assert (level.width, level.height) == (640, 480)


@pytest.mark.parametrize("cut", [0.2, 0.6, 0.97])
def test_a_truncated_photo_is_a_bad_record(cut: float) -> None:
    for name, data in FILES.items():
        with pytest.raises(BadRecord):
            Photo(data[: int(len(data) * cut)]).need([Box(5, 6, 69, 70)], 16)
            pytest.fail(name)


def test_damage_below_what_is_cut_is_noticed_too() -> None:
    data = bytearray(FILES["4:2:0"])
    del data[len(data) * 4 // 5 : len(data) * 4 // 5 + 60]
    for side in (16, 64):
        with pytest.raises(BadRecord):
            Photo(bytes(data)).need([Box(100, 0, 400, 64)], side)


def test_hostile_headers_are_bad_records_or_photos() -> None:
    rng = np.random.default_rng(8)
    data = encoded(orientation=6, quality=30)
    for _ in range(300):
        broken = bytearray(data)
        broken[int(rng.integers(2, 700))] = int(rng.integers(256))
        try:
            photo = Photo(bytes(broken))
            box = random_resized(photo.width, photo.height, (0.08, 1), (0.75, 1.3), rng)
            photo.need([box], 32)
            assert photo.cut(box, 32, "bilinear").shape == (32, 32, 3)
        except BadRecord as error:
            assert str(error)


def test_a_picture_without_any_pixel() -> None:
    data = bytearray(FILES["4:2:0"])
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 7] = b"\0\0"  # its height
    with pytest.raises(BadRecord):
        Photo(bytes(data))
