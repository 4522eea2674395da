"""The seal of a shard: all in its file but the samples is as it was written, or HDF5 is not asked.

HDF5 trusts the index of a file: one flipped bit in there can bring the process down. So the last
bytes, behind what HDF5 takes for the end of the file, say what the others must be:

    (offset, length) of each region of samples, which have checksums of their own · how many of
    these · CRC-32 of everything else, the regions' list included · MAGIC

A file that is cut short, foreign, or changed by another program has no seal, or not this one.
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
    """What to put behind `data`. regions: ascending, none over another."""
    listed = b"".join(_REGION.pack(*region) for region in regions)
    crc = _crc(data, listed)
    return listed + _END.pack(len(listed) // _REGION.size, crc, MAGIC)


def check(data: memoryview) -> None:
    """Raises ValueError where `data`, a whole file, does not have its seal."""
    if len(data) < _END.size or data[-len(MAGIC) :] != MAGIC:
        raise ValueError(
            "it is cut short, or was changed by another program, or it is none of ours at all"
        )
    count, crc, _ = _END.unpack(data[-_END.size :])
    start = len(data) - _END.size - count * _REGION.size
    if start < 0 or _crc(data[:start], bytes(data[start : -_END.size])) != crc:
        raise ValueError("its index is damaged")


def _crc(data: memoryview, listed: bytes) -> int:
    crc, done = 0, 0
    for offset, length in _REGION.iter_unpack(listed):
        if not done <= offset <= offset + length <= len(data):
            return -1  # no CRC-32 at all
        crc, done = zlib.crc32(data[done:offset], crc), offset + length
    return zlib.crc32(listed, zlib.crc32(data[done:], crc))
