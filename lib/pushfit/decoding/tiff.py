"""Checks of a TIFF that Pillow does not make, and its pixels without the rotation by Pillow.

Pillow turns a TIFF as its orientation says, but not a JPEG or a PNG. A photo must not depend on the
kind of its file, so the orientation is removed from the bytes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pushfit.decoding import deflate, libtiff
from pushfit.errors import BadRecord

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import TiffImageFile

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
ORIENTATION, _UPRIGHT = 274, 1
_SHORT = 3  # the type of the orientation's value
_BITS, _COMPRESSION, _FILL_ORDER, _PLANAR = 258, 259, 266, 284  # tags of TIFF 6.0
_PLACES = ((273, 279), (324, 325))  # offsets and byte counts, of strips and of tiles
_DEFLATE = (8, 32946)
_PLANES, _LOW_BITS_FIRST = 2, 2  # values of _PLANAR and _FILL_ORDER


def check(image: TiffImageFile, data: bytes, most: int) -> None:
    """Raise BadRecord if the pixels of an `image`, opened from `data`, are damaged or incomplete.

    most: most bytes of a strip or tile.
    """
    tags = image.tag_v2
    bits = tags.get(_BITS, (1,))
    planes = len(bits) if tags.get(_PLANAR) == _PLANES else 1
    if 12 in bits or (max(bits) > 8 and planes > 1):
        raise BadRecord("a TIFF of 12 bits, or of 16 in planes: save it as 8-bit RGB")
    if image.tile and image.tile[0].codec_name == "libtiff":
        size = libtiff.check(data, most)
        if tags.get(_COMPRESSION) in _DEFLATE and tags.get(_FILL_ORDER) != _LOW_BITS_FIRST:
            _check_deflated(image, data, size)
        return
    boxes = [tile.extents for tile in image.tile if tile.extents]
    there = sum((box[2] - box[0]) * (box[3] - box[1]) for box in boxes)
    if there < image.width * image.height * planes:
        raise BadRecord(
            f"a damaged TIFF: its strips hold {there:,} of {image.width * image.height:,} pixels"
        )


def _check_deflated(image: TiffImageFile, data: bytes, size: int) -> None:
    """Compare the checksum of each strip or tile. size: its bytes when it is unpacked."""
    view = memoryview(data)
    for places, counts in _PLACES:
        starts, lengths = image.tag_v2.get(places, ()), image.tag_v2.get(counts, ())
        for start, length in zip(starts, lengths, strict=False):
            if wrong := deflate.complaint([view[start : start + length]], 0, size):
                raise BadRecord(f"a damaged TIFF: {wrong} in the strip at byte {start}")


def without_orientation(data: bytes) -> bytes:
    """`data`, a TIFF or BigTIFF, with the orientation of its first picture set to upright."""
    at = _value_of(data, ORIENTATION)
    if at is None:
        return data
    order = "<" if data.startswith(b"II") else ">"
    upright = struct.pack(f"{order}H", _UPRIGHT)
    return data if data[at : at + 2] == upright else data[:at] + upright + data[at + 2 :]


def orientation(data: bytes) -> int:
    """The orientation that a TIFF or EXIF data has for its first picture, 1 to 8; 1: none is given.

    data: it begins with one of MAGICS, or has no orientation.
    """
    at = _value_of(data, ORIENTATION)
    if at is None or at + 2 > len(data):
        return _UPRIGHT
    value = int.from_bytes(data[at : at + 2], "little" if data.startswith(b"II") else "big")
    return value if value in range(1, 9) else _UPRIGHT


def _value_of(data: bytes, tag: int) -> int | None:
    """The index in `data` of the SHORT value of `tag` in the first directory; None: no such tag."""
    if not data.startswith(MAGICS):
        return None
    order = "<" if data.startswith(b"II") else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    offset, number, entry, value = ("Q", "Q", 20, 12) if big else ("I", "H", 12, 8)
    try:
        (first,) = struct.unpack_from(f"{order}{offset}", data, 8 if big else 4)
        (count,) = struct.unpack_from(f"{order}{number}", data, first)
        start = first + struct.calcsize(number)
        for each in range(min(count, (len(data) - start) // entry)):
            found, kind = struct.unpack_from(f"{order}HH", data, start + each * entry)
            if found == tag:
                return start + each * entry + value if kind == _SHORT else None
    except struct.error:  # the file is cut off, which Pillow reports
        return None
    return None
