"""A check that compressed pixels are complete and undamaged, by zlib's own checksum.

A decoder stops when it has all pixels, before the checksum that follows them, and some decoders
accept data that ends early. So a stream is unpacked once more, in pieces that are not kept.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

_PIECE = 1 << 20  # bytes that are unpacked at once
SURPLUS = 1 << 20  # most bytes after the pixels that are unpacked to reach the checksum


def complaint(parts: Iterable[bytes | memoryview], least: int, most: int) -> str:
    """What is wrong with the zlib stream in `parts`; ``""``: nothing.

    least: bytes that it must hold. most: bytes that it may hold, plus SURPLUS.
    """
    stream, unpacked = zlib.decompressobj(), 0
    try:
        for part in parts:
            rest: bytes | memoryview = part
            while rest and not stream.eof:
                unpacked += len(stream.decompress(rest, _PIECE))
                if unpacked > most + SURPLUS:
                    return f"its data continues after its {most:,} bytes"
                rest = stream.unconsumed_tail
        while not stream.eof and (piece := stream.decompress(stream.unconsumed_tail, _PIECE)):
            unpacked += len(piece)
    except zlib.error as error:
        return str(error).partition("data: ")[2] or str(error)
    if unpacked < least:
        return f"its data ends after {unpacked:,} of {least:,} bytes"
    return "" if stream.eof else "its data ends before the checksum"
