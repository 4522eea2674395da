"""The weights and groups of a data set, as READY carries them: compressed, of a known length."""

from __future__ import annotations

import zlib

from pushfit.errors import ProtocolError
from pushfit.tasks import visiting
from pushfit.tasks.visiting import GROUP, WEIGHT, Visiting


def pack(numbers: bytes) -> bytes:
    """`weights` or `groups` of a `Visiting`, compressed for READY: sources and shards repeat."""
    return zlib.compress(numbers, 1) if numbers else b""


def unpack(weights: bytes, groups: bytes, records: int) -> Visiting:
    """What `pack` made of the weights and groups of so many training records.

    Raises ProtocolError if a scan cannot have given them; nothing larger is made of them.
    """
    try:
        return visiting.of_bytes(
            _inflated(weights, records * WEIGHT.itemsize),
            _inflated(groups, records * GROUP.itemsize),
            records,
        )
    except (ValueError, zlib.error) as error:
        raise ProtocolError(f"weights or groups of records are not valid: {error}") from error


def _inflated(packed: bytes, nbytes: int) -> bytes:
    if not packed:
        return b""
    inflate = zlib.decompressobj()
    numbers = inflate.decompress(packed, nbytes + 1)  # 0 would be without a limit
    if len(numbers) != nbytes or not inflate.eof:
        raise ValueError(f"they do not unpack to {nbytes:,} bytes")
    return numbers
