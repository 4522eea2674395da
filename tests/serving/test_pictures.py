"""Every kind of picture that people send, and what is refused before it costs anything."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pushfit.serving import pictures
from pushfit.serving.pictures import NotAPicture, TooLarge

MOST = 1_000_000
RED = (200, 30, 40)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decoded(data: bytes, *, upright: bool = True) -> np.ndarray:
    return pictures.decode(data, MOST, upright=upright)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_formats(kind: str) -> None:
    picture = decoded(saved(Image.new("RGB", (30, 20), RED), kind))
    assert picture.shape == (20, 30, 3) and picture.dtype == np.uint8
    assert np.abs(picture.astype(int) - RED).max() <= 5


@pytest.mark.parametrize(
    ("image", "kind", "value"),
    [
        (Image.new("L", (9, 9), 77), "PNG", (77,) * 3),
        (Image.new("1", (9, 9), 1), "PNG", (255,) * 3),
        (Image.new("I;16", (9, 9), 77 << 8), "PNG", (77,) * 3),
        (Image.new("RGB", (9, 9), RED).quantize(4), "PNG", RED),
        (Image.new("RGBA", (9, 9), (0, 0, 0, 0)), "PNG", (255,) * 3),
        (Image.new("RGBA", (9, 9), (0, 0, 0, 51)), "PNG", (204,) * 3),
        (Image.new("LA", (9, 9), (0, 0)), "PNG", (255,) * 3),
        (Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "JPEG", (254, 0, 0)),
        (Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "TIFF", (255, 0, 0)),
    ],
)  # fmt: skip
def test_pixels(image: Image.Image, kind: str, value: tuple[int, ...]) -> None:
    assert np.abs(decoded(saved(image, kind))[4, 4].astype(int) - value).max() <= 1


@pytest.mark.parametrize("size", [(1, 65_536), (65_536, 1)])
def test_a_picture_that_is_one_line_is_refused_for_its_length(size: tuple[int, int]) -> None:
    with pytest.raises(TooLarge, match="too long: a side has at most 65,535 pixels"):
        decoded(saved(Image.new("L", size), "PNG"))
    assert decoded(saved(Image.new("L", (1, 65_535)), "PNG")).shape == (65_535, 1, 3)


def test_it_is_turned_as_exif_says_if_asked() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(Image.new("RGB", (30, 20), RED), "JPEG", exif=exif)
    assert decoded(data).shape == (30, 20, 3)
    assert decoded(data, upright=False).shape == (20, 30, 3)


def test_of_an_animation_the_first_picture() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, (0, 0, 0))]
    assert decoded(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))[0, 0, 0] > 150


def a_bomb(side: int) -> bytes:
    """A PNG of side x side grey pixels in a few kilobytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(name + data).to_bytes(4)
        return len(data).to_bytes(4) + name + data + crc

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [1001, 60_000, 2**31 - 1])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    with pytest.raises(TooLarge, match="too many pixels: at most 1,000,000"):
        decoded(a_bomb(side))


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    data = saved(Image.new("RGB", (30, 20), RED), "JPEG", progressive=True)
    scan = data.rindex(b"\xff\xda")
    with pytest.raises(NotAPicture, match=r"a JPEG of more than 100 scans"):
        decoded(data[:scan] + data[scan:-2] * 200 + data[-2:])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", r"0 bytes"),
        (b"%PDF-1.4 ...", "not a picture that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture that can be read"),
        (saved(Image.new("L", (300, 300), 5), "PNG")[:60], "damaged or of an unusual kind"),
        (saved(Image.new("F", (9, 9)), "TIFF"), "no agreed scale"),
    ],
)
def test_what_is_no_picture(data: bytes, says: str) -> None:
    with pytest.raises(NotAPicture, match=says):
        decoded(data)


def test_what_looks_like_a_scan_in_a_profile_is_none() -> None:
    data = saved(Image.new("RGB", (30, 30), RED), "JPEG")
    profile = b"\xff\xe2" + (2 + 60_000).to_bytes(2) + b"\xff\xda\0" * 20_000
    assert decoded(data[:2] + profile + data[2:]).shape == (30, 30, 3)
