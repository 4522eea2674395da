"""The segments of a JPEG, as far as they matter before it is decoded.

    frame(data)     size, components and kind, from the header
    exif(data)      its EXIF data
    scans(data)     the number of passes of a decoder over the picture
    plain(data)     the same picture without metadata in its header

Each scan of a progressive JPEG costs a pass over all its pixels, but may have only a few bytes, so
scans are counted before decoding. Segments are skipped by the lengths that they state, since an
embedded preview or a profile may hold the bytes of a marker.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MAGIC = b"\xff\xd8\xff"
_SCAN, _END = 0xDA, 0xD9
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length, such as restarts
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the other three are tables
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_JFIF, _EXIF, _ADOBE, _COMMENT = 0xE0, 0xE1, 0xEE, 0xFE
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
# The next marker. FF D0 to D7 are restarts within a scan. The time is linear in the data.
_NEXT = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)


class Frame(NamedTuple):
    """The frame header.

    progressive: the picture may have several scans.
    samples: the number of stored values of all components.
    """

    width: int
    height: int
    components: int
    progressive: bool
    samples: int


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, index of its first byte, index after its last byte) of all segments but the end.

    Between them lie entropy-coded data, and stray bytes that belong to nothing.
    """
    at = 2
    while (found := _MARKER.search(data, at)) is not None:
        marker, at = found[1][0], found.end()
        if marker == _END:
            return
        if marker in _ALONE:
            continue
        end = at + int.from_bytes(data[at : at + 2])
        if end < at + 2 or end > len(data):
            return
        yield marker, at - 2, end
        at = end


def frame(data: bytes) -> Frame | None:
    """The first frame of a JPEG; None: there is none, or the file ends before its first scan."""
    body, kind = b"", 0
    for marker, start, end in _segments(data):
        if marker in _FRAMES and not kind:
            body, kind = data[start + 4 : end], marker
            if len(body) < 9 or len(body) < 6 + 3 * body[5]:
                return None
        elif marker == _SCAN:
            if not kind:
                return None
            height, width, count = body[1:3], body[3:5], body[5]
            factors = [(body[at] >> 4, body[at] & 15) for at in range(7, 6 + 3 * count, 3)]
            most = max((h for h, _ in factors), default=1) * max((v for _, v in factors), default=1)
            pixels = int.from_bytes(width) * int.from_bytes(height)
            return Frame(
                int.from_bytes(width),
                int.from_bytes(height),
                count,
                kind in _PROGRESSIVE or data[start + 4 : start + 5] < bytes([count]),
                pixels * sum(h * v for h, v in factors) // max(most, 1),
            )
    return None


def exif(data: bytes) -> bytes:
    """The EXIF data of a JPEG, which is a TIFF without a picture; ``b""``: there is none."""
    for marker, start, end in _segments(data):
        if marker == _SCAN:
            break
        if marker == _EXIF and data[start + 4 : start + 10] == b"Exif\0\0":
            return data[start + 10 : end]
    return b""


def scans(data: bytes, most: int) -> int:
    """The number of scans of the first picture in `data`, at most `most` + 1.

    Scans inside of metadata do not count. Bytes between a segment and the next marker are skipped,
    as decoders do.
    """
    count, at = 0, 0
    while count <= most and (found := _NEXT.search(data, at)):
        marker, at = found[1][0], found.end()
        if marker == _END:
            break
        if marker in _ALONE:
            continue
        count += marker == _SCAN
        # A length below 2 is invalid: the search continues right after it, to miss nothing.
        at += max(2, int.from_bytes(data[at : at + 2]))
    return count


def plain(data: bytes) -> bytes:
    """`data` without metadata and stray bytes before its first scan.

    Cameras and editors write such bytes between segments, and version numbers of their own.
    """
    parts = [data[:2]]
    for marker, start, end in _segments(data):
        if marker == _SCAN:
            return b"".join((*parts, data[start:]))
        if marker == _JFIF and data[start + 4 : start + 9] == b"JFIF\0":
            version = b"\1\2"  # a decoder warns of versions that it does not know
            parts.append(data[start : start + 9] + version + data[start + 11 : end])
        elif marker == _ADOBE or not (_JFIF <= marker <= 0xEF or marker == _COMMENT):
            parts.append(data[start:end])
    return data
