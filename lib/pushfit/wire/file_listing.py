"""The list of a data set's files, as READY carries it: compressed, with a limit of its size."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import islice

from pushfit.errors import ProtocolError
from pushfit.wire.protocol import MAX_CONTROL_BYTES

MAX_LISTING_BYTES = 128 * 2**20  # most bytes of a listing that is not compressed
MAX_LISTING_LINES = 2_000_000
SEPARATOR = "\0"  # no file name can contain it
BLOCK = 4096  # lines that are compressed at once


def pack(lines: Iterable[str]) -> bytes:
    """`lines` ("path<TAB>size"), compressed for READY; empty: they exceed a limit."""
    deflate, packed, count, size = zlib.compressobj(1), bytearray(), 0, 0
    for block in _blocks(lines):
        text = (SEPARATOR if count else "") + SEPARATOR.join(block)
        data = text.encode("utf-8", "surrogatepass")
        count, size = count + len(block), size + len(data)
        packed += deflate.compress(data)
        if count > MAX_LISTING_LINES or size >= MAX_LISTING_BYTES:
            return b""
    packed += deflate.flush()
    return bytes(packed) if len(packed) < MAX_CONTROL_BYTES // 2 else b""


def unpack(packed: bytes) -> list[str]:
    """The lines of a listing. Raises ProtocolError if it is broken or exceeds a limit."""
    if not packed:
        return []
    inflate = zlib.decompressobj()
    try:
        data = inflate.decompress(packed, MAX_LISTING_BYTES)
        if inflate.unconsumed_tail or not inflate.eof:
            raise ProtocolError("the file listing is cut short or larger than allowed")
        if data.count(SEPARATOR.encode()) >= MAX_LISTING_LINES:
            raise ProtocolError(f"the file listing has more than {MAX_LISTING_LINES:,} lines")
        text = data.decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise ProtocolError(f"the file listing does not unpack: {error}") from error
    return text.split(SEPARATOR) if text else []


def _blocks(lines: Iterable[str]) -> Iterator[tuple[str, ...]]:
    left = iter(lines)
    while block := tuple(islice(left, BLOCK)):
        yield block
