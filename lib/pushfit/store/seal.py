"""The seal of a shard: a checksum of its file without samples, checked before HDF5 opens it.

HDF5 trusts the index of a file, where one flipped bit can crash the process. So the last bytes of
the file, after its end as HDF5 sees it, are:

    (offset, length) of each region of samples, which have their own checksums · the number of these
    · CRC-32 of everything else, with the list of regions · MAGIC

A file that is cut short, foreign, or changed by another program has no seal, or a wrong one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

MAGIC = b"PushFit1"
_END = struct.Struct("<II8s")
_REGION = struct.Struct("<QQ")

Region = tuple[int, int]


def seal(data: memoryview, regions: Iterable[Region]) -> bytes:
    """The seal to append to `data`. regions: ascending, without overlap."""
    listed = b"".join(_REGION.pack(*region) for region in regions)
    crc = _crc(data, listed)
    return listed + _END.pack(len(listed) // _REGION.size, crc, MAGIC)


def check(data: memoryview) -> None:
    """Raise ValueError if `data`, a whole file, does not have the right seal."""
    if len(data) < _END.size or data[-len(MAGIC) :] != MAGIC:
        raise ValueError(
            "it is cut short, was changed by another program, or was not made by PushFit"
        )
    count, crc, _ = _END.unpack(data[-_END.size :])
    start = len(data) - _END.size - count * _REGION.size
    if start < 0 or _crc(data[:start], bytes(data[start : -_END.size])) != crc:
        raise ValueError("its index is damaged")


def _crc(data: memoryview, listed: bytes) -> int:
    crc, done = 0, 0
    for offset, length in _REGION.iter_unpack(listed):
        if not done <= offset <= offset + length <= len(data):
            return -1  # this is not the value of any CRC-32
        crc, done = zlib.crc32(data[done:offset], crc), offset + length
    return zlib.crc32(listed, zlib.crc32(data[done:], crc))
