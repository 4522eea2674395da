"""PNG files: what is kept of 16 bits, and which chunks must be whole."""

from __future__ import annotations

import struct
import zlib

import pytest

from pushfit.decoding import images
from pushfit.errors import BadRecord
from tests.support.encoded import PNG, check, scene


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


def test_16_bit_rgb_png_keeps_the_high_byte() -> None:
    check(png16(color_type=2), scene())
    check(png16(color_type=2, key=b"\0\x10" * 3), scene())


def test_a_damaged_png_is_refused() -> None:
    for at in range(8, len(PNG), 41):
        broken = bytearray(PNG)
        broken[at] ^= 0x10
        with pytest.raises(BadRecord):
            images.decode(bytes(broken))
    for end in range(1, len(PNG), 97):
        with pytest.raises(BadRecord):
            images.decode(PNG[:end])


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
