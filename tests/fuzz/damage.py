"""Bytes that were good, and are changed at random."""

from __future__ import annotations

import random

ODD = (0, 1, 0x7F, 0x80, 0xFF, 0x22, 0x7B, 0xC1)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """`data` with bytes flipped, replaced, taken out, repeated or cut off."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(out)) if out else 0
        size = rng.choice((1, 2, 4, 8, 64))
        kind = rng.randrange(6)
        if kind == 0 and out:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and out:
            out[at] = rng.choice(ODD)
        elif kind == 2:
            del out[at : at + size]
        elif kind == 3:
            out[at:at] = out[at : at + size] * rng.choice((1, 2, 9))
        elif kind == 4:
            out[at : at + size] = rng.randbytes(size)
        else:
            del out[at:]
    return bytes(out)
