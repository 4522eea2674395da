"""A corpus of whole, odd and damaged pictures of every format: what trains, and what does not."""

from __future__ import annotations

import io
import os
import random
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from pushfit.decoding import deflate, images, jpeg
from pushfit.errors import BadRecord
from tests.support.encoded import packed, scene

ROUNDS = 12  # of each kind of damage to each sample


RGB = Image.fromarray(scene(120, 160))
SAMPLES = {
    "jpeg": packed(RGB, "JPEG", quality=90),
    "jpeg progressive": packed(RGB, "JPEG", progressive=True),
    "jpeg grey": packed(RGB.convert("L"), "JPEG"),
    "jpeg cmyk": packed(RGB.convert("CMYK"), "JPEG"),
    "png": packed(RGB, "PNG"),
    "png palette": packed(RGB.convert("P"), "PNG"),
    "png 1 bit": packed(RGB.convert("1"), "PNG"),
    "gif": packed(RGB, "GIF"),
    "bmp": packed(RGB, "BMP"),
    "webp": packed(RGB, "WebP"),
    "webp lossless": packed(RGB, "WebP", lossless=True),
    **{
        f"tiff {mode} {compression}": packed(RGB.convert(mode), "TIFF", compression=compression)
        for mode, compression in (
            ("RGB", "raw"),
            ("RGB", "tiff_lzw"),
            ("RGB", "packbits"),
            ("RGB", "tiff_adobe_deflate"),
            ("RGB", "tiff_deflate"),
            ("RGB", "lzma"),
            ("RGB", "zstd"),
            ("RGB", "jpeg"),
            ("L", "jpeg"),
            ("YCbCr", "jpeg"),
            ("1", "group3"),
            ("1", "group4"),
            ("1", "tiff_ccitt"),
        )
    },
}
CHECKSUMMED = ("png", "tiff RGB tiff_adobe_deflate", "tiff RGB tiff_deflate", "tiff RGB lzma")


def flipped(data: bytes, rnd: random.Random) -> bytes:
    at = rnd.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rnd.randrange(8)]) + data[at + 1 :]


def zeroed(data: bytes, rnd: random.Random) -> bytes:
    at, size = rnd.randrange(len(data) // 4, len(data) // 2), min(512, len(data) // 4)
    return data[:at] + bytes(size) + data[at + size :]


def cut(data: bytes, rnd: random.Random) -> bytes:
    return data[: rnd.randrange(len(data))]


def swapped(data: bytes, rnd: random.Random) -> bytes:
    size = len(data) // 16
    first, second = (rnd.randrange(2, 9) * size, rnd.randrange(9, 15) * size)
    blocks = data[second : second + size], data[first + size : second], data[first : first + size]
    return data[:first] + b"".join(blocks) + data[second + size :]


def havoc(data: bytes, rnd: random.Random) -> bytes:
    """Several small changes at once, as AFL makes them."""
    made = bytearray(data)
    for _ in range(rnd.randrange(2, 9)):
        at = rnd.randrange(len(made))
        change = rnd.randrange(5)
        if change == 0:
            made[at] = rnd.choice((0, 1, 16, 32, 64, 100, 127, 128, 255))
        elif change == 1:
            made[at] = (made[at] + rnd.randrange(-35, 36)) % 256
        elif change == 2:
            del made[at : at + rnd.randrange(1, 33)]
        elif change == 3:
            made[at:at] = made[at : at + rnd.randrange(1, 33)]
        else:
            made[at : at + 4] = struct.pack("<I", rnd.choice((0, 1, 2**16, 2**31 - 1, 2**32 - 1)))
    return bytes(made)


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flipped,
    zeroed,
    cut,
    swapped,
    havoc,
)
PILLOW = """
import io, os, sys, tempfile, warnings
from PIL import Image
warnings.simplefilter("ignore")
said = tempfile.TemporaryFile()
os.dup2(said.fileno(), 2)
while size := sys.stdin.buffer.read(4):
    data = sys.stdin.buffer.read(int.from_bytes(size))
    before = os.fstat(2).st_size
    try:
        Image.open(io.BytesIO(data)).load()
        word = "printed" if os.fstat(2).st_size > before else "whole"
    except Exception:
        word = "refused"
    print(word)
"""


def pillows_verdicts(corpus: list[bytes]) -> list[str]:
    """For each: "whole", "refused", or "printed", where a library had something to say."""
    sent = b"".join(len(data).to_bytes(4) + data for data in corpus)
    done = subprocess.run([sys.executable, "-c", PILLOW], input=sent, capture_output=True)
    words = done.stdout.decode().split()
    assert len(words) == len(corpus), done.stderr
    return words


def decoded(data: bytes) -> np.ndarray | None:
    try:
        return images.decode(data)
    except BadRecord:
        return None


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_whole_is_taken(name: str) -> None:
    expected = np.asarray(Image.open(io.BytesIO(SAMPLES[name])).convert("RGB"))
    assert np.array_equal(images.decode(SAMPLES[name]), expected)


def test_what_pillow_refuses_or_a_library_complains_of_is_refused() -> None:
    rnd = random.Random(14)
    corpus = [
        (f"{name} {damage.__name__} {number}", damage(data, rnd))
        for name, data in SAMPLES.items()
        for damage in DAMAGES
        for number in range(ROUNDS)
    ]
    verdicts = pillows_verdicts([data for _, data in corpus])
    taken = [
        f"{name}: Pillow {verdict}"
        for (name, data), verdict in zip(corpus, verdicts, strict=True)
        if verdict != "whole" and decoded(data) is not None
    ]
    assert verdicts.count("refused") > len(corpus) // 4
    assert "printed" in verdicts
    assert not taken


@pytest.mark.parametrize("name", CHECKSUMMED)
def test_where_there_are_checksums_wrong_pixels_never_train(name: str) -> None:
    """Damage to the pixels' bytes: what a header says may change what they mean."""
    rnd, data = random.Random(3), SAMPLES[name]
    head = 64 if name == "png" else 0
    tail = 256 if name != "png" else 0  # a TIFF's directory
    whole = images.decode(data)
    inner = data[head : len(data) - tail]
    for damage in (flipped, zeroed, swapped):
        for _ in range(20):
            made = data[:head] + damage(inner, rnd) + data[len(data) - tail :]
            photo = decoded(made)
            assert photo is None or np.array_equal(photo, whole), damage.__name__


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt", "tiff_lzw"])
def test_a_packed_tiff_with_zeros_in_it_is_refused(compression: str) -> None:
    rnd, mode = random.Random(1), "RGB" if compression == "tiff_lzw" else "1"
    data = packed(Image.fromarray(scene(400, 500)).convert(mode), "TIFF", compression=compression)
    for _ in range(20):
        assert decoded(zeroed(data, rnd)) is None


def test_a_jpeg_in_a_tiff_is_refused_for_what_libjpeg_warns_of() -> None:
    data = bytearray(SAMPLES["tiff RGB jpeg"])
    at = data.rindex(b"\xff\xd9") - 200
    data[at : at + 64] = bytes(64)
    with pytest.raises(BadRecord, match=r"damaged TIFF: (Corrupt JPEG|Premature)"):
        images.decode(bytes(data))


def test_nothing_is_printed_for_a_damaged_tiff() -> None:
    rnd = random.Random(2)
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as said:
            os.dup2(said.fileno(), 2)
            for name in ("tiff 1 group3", "tiff RGB jpeg", "tiff RGB tiff_lzw"):
                for damage in DAMAGES:
                    decoded(damage(SAMPLES[name], rnd))
            said.seek(0)
            assert said.read() == b""
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def png(width: int, height: int, pixels: bytes, bits: int = 8, kind: int = 2) -> bytes:
    """A PNG whose chunks are whole, whatever `pixels` hold."""
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)),
        (b"IDAT", pixels),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts
    )


def test_a_png_whose_pixels_end_early_is_refused() -> None:
    with pytest.raises(BadRecord, match="its data ends after 36,020 of 1,080,600 bytes"):
        images.decode(png(600, 600, zlib.compress(bytes(1801 * 20))))


def test_a_png_whose_pixels_are_not_those_of_their_checksum_is_refused() -> None:
    pixels = zlib.compress(bytes(1801 * 600))
    with pytest.raises(BadRecord, match="incorrect data check"):
        images.decode(png(600, 600, pixels[:-1] + bytes([pixels[-1] ^ 1])))


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 8), (9, 33), (160, 120)])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
def test_whole_pngs_of_any_size_are_taken(size: tuple[int, int], mode: str) -> None:
    assert decoded(packed(RGB.resize(size).convert(mode), "PNG")) is not None


def test_an_interlaced_png_is_taken_by_the_size_of_its_passes() -> None:
    sizes = [(1, 1), (1, 1), (2, 1), (1, 2), (3, 1), (2, 3), (5, 2)]  # of 5 x 5 pixels, in Adam7
    rows = b"".join((b"\0" + bytes(3 * w)) * h for w, h in sizes)
    whole = bytearray(png(5, 5, zlib.compress(rows)))
    whole[28] = 1
    whole[29:33] = zlib.crc32(whole[12:29]).to_bytes(4)
    assert decoded(bytes(whole)) is not None
    short = bytearray(png(5, 5, zlib.compress(rows[:-16])))
    short[28], short[29:33] = 1, whole[29:33]
    assert decoded(bytes(short)) is None


def test_a_few_bytes_behind_the_pixels_are_no_damage_and_many_are() -> None:
    assert deflate.complaint([zlib.compress(bytes(1000))], 900, 900) == ""
    assert "ends before" in deflate.complaint([zlib.compress(bytes(900))[:-4]], 900, 900)
    surplus = zlib.compress(bytes(3 * deflate.SURPLUS))
    assert "continues after" in deflate.complaint([surplus], 900, 900)


def test_a_strip_that_is_missing_from_a_raw_tiff_is_told() -> None:
    data = bytearray(SAMPLES["tiff RGB raw"])
    at = data.index(struct.pack("<HHI", 278, 4, 1)) + 8  # rows in a strip: it has one strip
    assert data[at : at + 4] == struct.pack("<I", 120)
    struct.pack_into("<I", data, at, 10)
    with pytest.raises(BadRecord, match="its strips hold 1,600 of 19,200 pixels"):
        images.decode(bytes(data))


def test_a_strange_tag_in_a_tiff_is_no_damage() -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[65000] = "a camera's own"
    tags[33432] = "a text\0with more"
    for compression in ("raw", "tiff_lzw", "jpeg"):
        data = packed(RGB, "TIFF", compression=compression, tiffinfo=tags)
        assert decoded(data) is not None
        damaged = bytearray(data)  # the copyright claims to be longer than the file
        struct.pack_into("<I", damaged, data.index(struct.pack("<HH", 33432, 2)) + 4, 10**6)
        assert np.array_equal(images.decode(bytes(damaged)), images.decode(data))


def segments_end(data: bytes) -> int:
    """Where the first segment behind the start of a JPEG ends."""
    return 4 + int.from_bytes(data[4:6])


@pytest.mark.parametrize("junk", [b"\0\0", b"\1", b"abc", b"\xff\0"])
def test_bytes_between_the_segments_of_a_jpegs_header_are_no_damage(junk: bytes) -> None:
    data = SAMPLES["jpeg"]
    at = segments_end(data)
    assert np.array_equal(images.decode(data[:at] + junk + data[at:]), images.decode(data))
    at = data.index(b"\xff\xda")
    assert np.array_equal(images.decode(data[:at] + junk + data[at:]), images.decode(data))


def test_a_jfif_version_that_nobody_knows_is_no_damage() -> None:
    data = bytearray(SAMPLES["jpeg"])
    data[11] = 7
    assert np.array_equal(images.decode(bytes(data)), images.decode(SAMPLES["jpeg"]))


def test_a_damaged_jpeg_with_strange_metadata_is_refused() -> None:
    data = SAMPLES["jpeg"]
    at = segments_end(data)
    assert decoded(data[:at] + b"\0\0" + data[at : len(data) - 300] + b"\xff\xd9") is None


def test_a_jpeg_of_4_4_1_has_pillows_pixels() -> None:
    """Made of one of 4:2:0, which has as many blocks, in another order."""
    other = packed(Image.fromarray(scene(64, 64)), "JPEG", subsampling="4:2:0")
    at = other.index(b"\xff\xc0") + 11
    assert other[at] == 0x22
    data = other[:at] + b"\x14" + other[at + 1 :]
    assert np.array_equal(images.decode(data), np.asarray(Image.open(io.BytesIO(data))))


def many_scans(side: int, count: int) -> bytes:
    """A progressive JPEG each of whose scans visits every block, and holds next to nothing."""
    data = packed(Image.new("L", (64, 64), 128), "JPEG", progressive=True)
    frame = data.index(b"\xff\xc2")
    head = data[: frame + 5] + struct.pack(">HH", side, side) + data[frame + 9 :]
    head = head[: head.index(b"\xff\xc4")]
    for table, lengths, values in ((0, (1,), b"\0"), (0x10, (1, 1), b"\xe0\0")):
        body = bytes([table, *lengths, *bytes(16 - len(lengths))]) + values
        head += b"\xff\xc4" + struct.pack(">H", 2 + len(body)) + body
    blocks = -((-side // 8) ** 2)
    blocks = (-(-side // 8)) ** 2
    bits = ("0" + "1" * 14) * (blocks // 32767 + 1)
    bits += "1" * (-len(bits) % 8)
    coded = int(bits, 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\0")

    def scan(first: int, last: int) -> bytes:
        return b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, first, last, 0)

    first = scan(0, 0) + bytes(-(-blocks // 8))
    return head + first + (scan(1, 63) + coded) * count + b"\xff\xd9"


def test_a_jpeg_of_ten_thousand_scans_is_refused_before_it_is_decoded() -> None:
    for count, side, told in ((10_000, 64, "more than 100"), (60, 9_000, "61")):
        data = many_scans(side, count)
        assert jpeg.scans(data, 20_000) == count + 1
        with pytest.raises(BadRecord, match=f"a JPEG of {told} scans"):
            images.decode(data)
        assert images.decode_part(data, lambda _w, _h: (0, 0, 8, 8)) is None


def test_what_looks_like_a_scan_in_metadata_is_none() -> None:
    data = SAMPLES["jpeg"]
    profile = b"\xff\xe2" + (2 + 60_000).to_bytes(2) + b"\xff\xda\0" * 20_000
    odd = data[:2] + profile + data[2:]
    assert jpeg.scans(odd, 100) == 1
    assert np.array_equal(images.decode(odd), images.decode(data))


def test_what_would_take_gigabytes_is_refused_by_its_header() -> None:
    wide = packed(Image.new("RGB", (8, 8)), "JPEG", progressive=True, subsampling=0)
    at = wide.index(b"\xff\xc2") + 5
    data = wide[:at] + struct.pack(">HH", 16_000, 15_900) + wide[at + 4 :]
    with pytest.raises(BadRecord, match=r"15900 x 16000 pixels of a kind that takes 2\.1 GiB"):
        images.decode(data)


def test_a_tiff_of_huge_tiles_is_refused_before_they_are_asked_for() -> None:
    order, count = "<", 10
    tags = {256: 64, 257: 64, 258: 8, 259: 5, 262: 1, 277: 1, 322: 1 << 18, 323: 1 << 16}
    tags |= {324: 8 + 2 + 12 * count + 4, 325: 8}
    body = b"".join(struct.pack(order + "HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    data = b"II*\0" + struct.pack(order + "IH", 8, count) + body + bytes(4 + 64)
    with pytest.raises(BadRecord, match="strips or tiles of 17,179,869,184 bytes"):
        images.decode(data)
