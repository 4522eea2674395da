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


def scene(height: int = 48, width: int = 64) -> np.ndarray:
    """A smooth picture with some grain: (height, width, 3) uint8."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 60 * np.sin(x / 7 + c) + 50 * np.cos(y / 5 - c) for c in range(3)]
    grain = np.random.default_rng(7).normal(0, 4, (height, width, 3))
    return np.clip(np.stack(waves, axis=2) + grain, 0, 255).astype(np.uint8)


def packed(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


RGB = Image.fromarray(scene())
GREY = RGB.convert("L")
JPEG = packed(RGB, "JPEG", quality=92)
PNG = packed(RGB, "PNG")


def check(data: bytes, expected: np.ndarray) -> None:
    photo = images.decode(data)
    assert photo.dtype == np.uint8
    assert photo.flags.c_contiguous
    assert np.array_equal(photo, expected)


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


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_tiff_compressions(compression: str) -> None:
    check(packed(RGB, "TIFF", compression=compression), scene())


def test_ending_does_not_matter_and_the_first_page_counts() -> None:
    data = packed(RGB, "TIFF", save_all=True, append_images=[Image.new("RGB", (9, 9))])
    check(data, scene())
    data = packed(RGB, "PNG", save_all=True, append_images=[Image.new("RGB", RGB.size)])
    check(data, scene())


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_the_high_byte(kind: str) -> None:
    deep = (np.asarray(GREY).astype(np.uint16) << 8) + 37
    check(packed(Image.fromarray(deep), kind), np.asarray(GREY.convert("RGB")))


def test_16_bit_rgb_png_keeps_the_high_byte() -> None:
    check(png16(color_type=2), scene())
    check(png16(color_type=2, key=b"\0\x10" * 3), scene())


def png16(color_type: int, key: bytes = b"") -> bytes:
    """A 16-bit RGB PNG by hand, since Pillow writes none."""
    deep = (scene().astype(">u2") << 8) + 200
    deep = deep.astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 64, 48, 16, color_type, 0, 0, 0))]
    parts += [(b"tRNS", key)] if key else []
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts
    )


def tiff(order: str, photometric: int, bits: tuple[int, ...], pixels: bytes, **extra: int) -> bytes:
    """An uncompressed one-strip TIFF of 64 x 48, by hand."""
    many = len(bits)
    tags = {256: 64, 257: 48, 259: 1, 262: photometric, 277: many, 278: 48, 279: len(pixels)}
    tags |= {int(name[1:]): value for name, value in extra.items()}
    count = len(tags) + 2
    start = 8 + 2 + 12 * count + 4
    entries = {tag: struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags.items()}
    entries[273] = struct.pack(order + "HHII", 273, 4, 1, start + 2 * many * (many > 2))
    if many > 2:
        entries[258] = struct.pack(order + "HHII", 258, 3, many, start)
    else:
        entries[258] = struct.pack(order + "HHIHH", 258, 3, 1, bits[0], 0)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, count)
    body = b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    bit_list = struct.pack(order + f"{many}H", *bits) if many > 2 else b""
    return head + body + bit_list + pixels


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_rgb_tiff_keeps_the_high_byte(order: str) -> None:
    deep = ((scene().astype(np.uint16) << 8) + 200).astype(order + "u2")
    check(tiff(order, 2, (16, 16, 16), deep.tobytes()), scene())


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_grey_tiff(order: str) -> None:
    grey = np.asarray(GREY)
    deep = ((grey.astype(np.uint16) << 8) + 200).astype(order + "u2")
    check(tiff(order, 1, (16,), deep.tobytes()), np.repeat(grey[:, :, None], 3, axis=2))


def test_16_bit_grey_tiff_where_white_is_zero() -> None:
    grey = np.asarray(GREY)
    deep = (grey.astype("<u2") << 8).astype("<u2")
    check(tiff("<", 0, (16,), deep.tobytes()), np.repeat(255 - grey[:, :, None], 3, axis=2))


def test_12_bit_and_planar_16_bit_tiffs_are_refused() -> None:
    with pytest.raises(BadRecord, match="12 bits"):
        images.decode(tiff("<", 1, (12,), bytes(64 * 48 * 3 // 2)))
    with pytest.raises(BadRecord, match="planes"):
        images.decode(tiff("<", 2, (16, 16, 16), scene().astype("<u2").tobytes(), t284=2))


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_scale_are_refused(mode: str) -> None:
    with pytest.raises(BadRecord, match="no agreed scale"):
        images.decode(packed(GREY.convert(mode), "TIFF"))


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


def test_cmyk_tiff() -> None:
    image = RGB.convert("CMYK")
    check(packed(image, "TIFF"), np.asarray(image.convert("RGB")))


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


def test_a_damaged_png_is_refused() -> None:
    for at in range(8, len(PNG), 41):
        broken = bytearray(PNG)
        broken[at] ^= 0x10
        with pytest.raises(BadRecord):
            images.decode(bytes(broken))
    for end in range(1, len(PNG), 97):
        with pytest.raises(BadRecord):
            images.decode(PNG[:end])


def test_a_truncated_or_hostile_tiff_is_refused() -> None:
    data = packed(RGB, "TIFF", compression="tiff_lzw")
    for end in range(4, len(data) - 200, 211):
        with pytest.raises(BadRecord):
            images.decode(data[:end])
    dice = random.Random(2)
    for _ in range(200):
        try:
            images.decode(data[:4] + dice.randbytes(60) + data[64:])
        except BadRecord:
            continue


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


def chunk(name: bytes, data: bytes, *, crc: int | None = None) -> bytes:
    stated = zlib.crc32(name + data) if crc is None else crc
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", stated)


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"tEXt", b"Comment\0written by a broken tool", crc=1),
        chunk(b"tEXt", b"no separator at all"),
        chunk(b"zTXt", b"Comment\0\0not compressed"),
        chunk(b"iCCP", b"profile\0\0not compressed"),
        chunk(b"tIME", b"1"),
        chunk(b"pHYs", b""),
        chunk(b"gAMA", b"", crc=7),
        chunk(b"eXIf", b"II*\0 nonsense", crc=7),
        chunk(b"caBX", b"x" * 3000, crc=7),
    ],
)
def test_what_is_wrong_in_a_png_beside_its_picture_is_no_damage(extra: bytes) -> None:
    start = 8 + 25  # the signature and IHDR
    check(PNG[:start] + extra + PNG[start:], scene())


def test_what_decides_the_pixels_of_a_png_must_be_whole() -> None:
    start = 8 + 25
    for name in (b"IDAT", b"tRNS", b"PLTE"):
        broken = PNG[:start] + chunk(name, b"\0\0\0", crc=1) + PNG[start:]
        with pytest.raises(BadRecord, match=f"wrong checksum in its b'{name.decode()}' chunk"):
            images.decode(broken)
    with pytest.raises(BadRecord, match="an unknown b'NEWX' chunk"):
        images.decode(PNG[:start] + chunk(b"NEWX", b"") + PNG[start:])


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
