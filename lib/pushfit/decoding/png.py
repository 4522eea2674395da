"""The part of a PNG that decides its pixels, checked against its own checksums and sizes.

Pillow skips the checksums (CRC) of the chunks with pixels, and turns missing data into black
pixels. Other chunks (texts, times, profiles) are left out, since errors there do not concern the
picture.
"""

from __future__ import annotations

import zlib

from pushfit.decoding import deflate
from pushfit.errors import BadRecord

MAGIC = b"\x89PNG\r\n\x1a\n"
_PIXELS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"})  # chunks that decide them
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
# Adam7: (first column, step, first row, step) of each pass; not interlaced: one pass of all.
_PASSES = (
    (0, 8, 0, 8),
    (4, 8, 0, 8),
    (0, 4, 4, 8),
    (2, 4, 0, 4),
    (0, 2, 2, 4),
    (1, 2, 0, 2),
    (0, 1, 1, 2),
)
_ALL = ((0, 1, 0, 1),)


def plain(data: bytes) -> bytes:
    """The PNG with only the chunks that decide its pixels. Raises BadRecord if one is damaged."""
    parts, at = [MAGIC], len(MAGIC)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4])
        end = at + 8 + length
        if end + 4 > len(data):
            break
        name = data[at + 4 : at + 8]
        if name in _PIXELS:
            stated = int.from_bytes(data[end : end + 4])
            if zlib.crc32(memoryview(data)[at + 4 : end]) != stated:
                raise BadRecord(f"a damaged PNG: wrong checksum in its {name!r} chunk at byte {at}")
            parts.append(data[at : end + 4])
        elif not name[0] & 0x20:  # an upper-case letter marks a chunk that a decoder must know
            raise BadRecord(f"a damaged PNG: an unknown {name!r} chunk at byte {at}")
        if name == b"IEND":
            return b"".join(parts)
        at = end + 4
    raise BadRecord("truncated: the PNG ends before its picture does")


def check(data: bytes) -> None:
    """Raise BadRecord if the pixels of a `plain` PNG are incomplete or damaged."""
    header = data[16:29]  # the content of IHDR, which Pillow has found to be there
    width, height = int.from_bytes(header[:4]), int.from_bytes(header[4:8])
    bits = header[8] * _CHANNELS.get(header[9], 1)
    size = 0
    for left, across, top, down in _PASSES if header[12] else _ALL:
        columns, rows = -(-max(width - left, 0) // across), -(-max(height - top, 0) // down)
        size += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    if wrong := deflate.complaint(_pixels(data), size, size):
        raise BadRecord(f"a damaged PNG: {wrong}")


def _pixels(data: bytes) -> list[memoryview]:
    """The contents of the IDAT chunks."""
    view, at, found = memoryview(data), len(MAGIC), []
    while at < len(data):
        length = int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            found.append(view[at + 8 : at + 8 + length])
        at += 12 + length
    return found
