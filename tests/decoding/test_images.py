"""What each kind of file becomes, and that nothing broken becomes pixels."""

from __future__ import annotations

import io
import os
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pushfit.decoding import images
from pushfit.errors import BadRecord
from pushfit.samples.photos import Plan, make
from pushfit.serving import pictures
from tests.support.encoded import GREY, JPEG, RGB, check, packed, pillow, scene


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_has_exactly_pillows_pixels(subsampling: int, progressive: bool) -> None:
    data = packed(RGB, "JPEG", subsampling=subsampling, progressive=progressive)
    check(data, pillow(data))


def test_grey_jpeg_fills_three_channels() -> None:
    data = packed(GREY, "JPEG")
    check(data, pillow(data))


def test_cmyk_jpeg_is_inverted_as_adobe_writes_it() -> None:
    data = packed(RGB.convert("CMYK"), "JPEG", quality=98)
    check(data, pillow(data))
    assert np.abs(images.decode(data).astype(int) - scene()).mean() < 4


def test_ycck_jpeg() -> None:
    data = bytearray(packed(RGB.convert("CMYK"), "JPEG", quality=98))
    adobe = data.find(b"Adobe")
    data[adobe + 11] = 2  # the transform flag: these four channels are YCCK
    check(bytes(data), pillow(bytes(data)))


def test_damaged_cmyk_jpeg_is_refused() -> None:
    with pytest.raises(BadRecord, match="truncated"):
        images.decode(packed(RGB.convert("CMYK"), "JPEG")[:-200])


def test_exif_orientation_is_ignored() -> None:
    exif = Image.Exif()
    exif[274] = 6
    turned = packed(RGB, "JPEG", quality=92, exif=exif)
    check(turned, images.decode(JPEG))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_lossless_modes(kind: str, mode: str) -> None:
    image = RGB.convert(mode)
    check(packed(image, kind), np.asarray(image.convert("RGB")))


def test_ending_does_not_matter_and_the_first_page_counts() -> None:
    data = packed(RGB, "TIFF", save_all=True, append_images=[Image.new("RGB", (9, 9))])
    check(data, scene())
    data = packed(RGB, "PNG", save_all=True, append_images=[Image.new("RGB", RGB.size)])
    check(data, scene())


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_the_high_byte(kind: str) -> None:
    deep = (np.asarray(GREY).astype(np.uint16) << 8) + 37
    check(packed(Image.fromarray(deep), kind), np.asarray(GREY.convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_alpha(kind: str) -> None:
    opaque = RGB.convert("RGBA")
    check(packed(opaque, kind), scene())
    clear = opaque.copy()
    clear.putalpha(0)
    check(packed(clear, kind), np.full((48, 64, 3), 255, np.uint8))


def test_a_transparent_palette_colour_is_laid_over_white() -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([10, 20, 30, 40, 50, 60])
    check(packed(image, "PNG", transparency=0), np.full((8, 8, 3), 255, np.uint8))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"hello, I am no photo\n", "text, not a photo: it begins 'hello"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (bytes(1000), "begins with zeros"),
        (b"GIF89a..........", "unsupported GIF"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "unsupported WebP"),
        (b"BMP files begin so, and so does this text of ours", "text, not a photo"),
        (b"\0\0\0\x18ftypheic", "a HEIC"),
        (b"\x01\x02\xfe\xff", "bytes 01 02 fe ff"),
        (b"\xff\xd8\xff", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "truncated: the PNG"),
        (b"II*\0", "TIFF"),
    ],
)
def test_what_is_no_photo_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(BadRecord, match=reason):
        images.decode(data)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_jpeg_cut_anywhere_is_refused(options: dict[str, object]) -> None:
    data = packed(RGB, "JPEG", quality=92, **options)
    for end in (*range(0, len(data) - 40, 37), *range(len(data) - 40, len(data))):
        with pytest.raises(BadRecord):
            images.decode(data[:end])


def test_a_download_padded_with_zeros_is_refused() -> None:
    for end in range(700, len(JPEG) - 2, 101):
        with pytest.raises(BadRecord):
            images.decode(JPEG[:end] + bytes(len(JPEG) - end))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_whatever_pillow_refuses_is_refused(options: dict[str, object]) -> None:
    data = packed(RGB, "JPEG", quality=92, **options)
    dice = random.Random(1)
    for _ in range(300):
        broken = bytearray(data)
        at = dice.randrange(len(broken))
        length = dice.choice([1, 2, 16])
        broken[at : at + length] = dice.randbytes(dice.choice([0, length, 3]))
        try:
            photo = images.decode(bytes(broken))
        except BadRecord:
            continue
        assert np.array_equal(photo, pillow(bytes(broken)))


def test_a_bomb_is_refused_by_its_header() -> None:
    huge = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    body = b"IHDR" + huge
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    pixels = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(BadRecord, match="30000 x 30000 pixels, over the limit of 256 million"):
        images.decode(b"\x89PNG\r\n\x1a\n" + chunk + pixels + end)
    jpeg = bytearray(JPEG)
    size = jpeg.find(b"\xff\xc0") + 5
    jpeg[size : size + 4] = struct.pack(">HH", 60_000, 60_000)
    with pytest.raises(BadRecord, match="over the limit"):
        images.decode(bytes(jpeg))


def test_photos_of_every_camera_decode_to_pillows_pixels(tmp_path: Path) -> None:
    """Each camera of the sample has JPEG tables and chroma subsampling of its own."""
    make(tmp_path / "sample", Plan(train=1, val=1))
    paths = sorted(path for path in tmp_path.glob("sample/*/*/*.jpg"))
    assert len(paths) == 12
    for path in paths:
        data = path.read_bytes()
        check(data, pillow(data))


def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    """50,000 x 50,000 pixels in 300 bytes: 7.5 GB, where a process has 1 GB in all."""
    code = """
import resource, struct, zlib
from pushfit.errors import BadRecord
from pushfit.samples.photos import Plan, make
from pushfit.serving import pictures
from tests.support.encoded import GREY, JPEG, RGB, check, packed, pillow, scene
from pushfit.decoding import images
import PIL.PngImagePlugin, PIL.TiffImagePlugin
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
head = chunk(b"IHDR", struct.pack(">IIBBBBB", 50000, 50000, 8, 2, 0, 0, 0))
png = bytes.fromhex("89504e470d0a1a0a") + head + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
tags = {256: 50000, 257: 50000, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 50000, 279: 100}
rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
tiff = b"II*\\0" + struct.pack("<I", 108) + bytes(100) + struct.pack("<H", 9) + rows + bytes(4)
for bomb in (png, tiff):
    try:
        images.decode(bomb)
    except BadRecord as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=60, cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout.count("its header claims 50000 x 50000 pixels") == 2, done.stderr


WEBP = {"lossless": True}
OTHERS = {
    "gif": packed(RGB.quantize(64), "GIF"),
    "interlaced gif": packed(RGB.quantize(64), "GIF", interlace=1),
    "transparent gif": packed(RGB.quantize(64), "GIF", transparency=3),
    "animated gif": packed(RGB.quantize(64), "GIF", save_all=True, append_images=[GREY]),
    "bmp": packed(RGB, "BMP"),
    "grey bmp": packed(GREY, "BMP"),
    "bmp of 16 colours": packed(RGB.quantize(16), "BMP"),
    "bmp of one bit": packed(RGB.convert("1"), "BMP"),
    "webp": packed(RGB, "WEBP", **WEBP),
    "lossy webp": packed(RGB, "WEBP", quality=80),
    "transparent webp": packed(RGB.convert("RGBA"), "WEBP", exact=True, **WEBP),
    "animated webp": packed(RGB, "WEBP", save_all=True, append_images=[RGB.rotate(9)], **WEBP),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_picture_is_one_by_its_content(name: str) -> None:
    data = OTHERS[name]
    image = Image.open(io.BytesIO(data))
    over = Image.new("RGBA", image.size, "white")
    over.alpha_composite(image.convert("RGBA"))
    check(data, np.asarray(over.convert("RGB")))
    assert images.kind(data[: images.HEAD]).upper() in name.upper()


@pytest.mark.parametrize("name", OTHERS)
def test_a_picture_that_is_cut_short_is_refused(name: str) -> None:
    """Where it is not, what was cut off is no part of the picture: its pixels are all there."""
    data, whole = OTHERS[name], images.decode(OTHERS[name])
    refused = 0
    for end in range(0, len(data), 1 + len(data) // 120):
        try:
            assert np.array_equal(images.decode(data[:end]), whole)
        except BadRecord:
            refused += 1
    assert refused > 30


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "form", ["TIFF", "deflate", "big-endian", "BigTIFF", "JPEG", "PNG", "WEBP"]
)
def test_no_kind_of_file_is_turned(form: str, orientation: int) -> None:
    tags = Image.Exif()
    tags[274] = orientation
    options: dict[str, object] = {"tiffinfo": {274: orientation}}
    if form == "deflate":
        options["compression"] = "tiff_adobe_deflate"
    elif form == "BigTIFF":
        options["big_tiff"] = True
    elif form in ("JPEG", "PNG", "WEBP"):
        options = {"exif": tags, **(WEBP if form == "WEBP" else {})}
    image = RGB if form != "big-endian" else Image.fromarray(scene()[..., 0].astype(">u2") * 256)
    kind = form if form in ("JPEG", "PNG", "WEBP") else "TIFF"
    data = packed(image, kind, **options)
    photo = images.decode(data)
    assert photo.shape == scene().shape
    if form == "big-endian":
        assert np.array_equal(photo[..., 0], scene()[..., 0])
    elif form != "JPEG":
        assert np.array_equal(photo, scene())
    served = pictures.decode(data, 10**6, upright=False)
    assert served.shape == photo.shape and np.array_equal(served, photo)
