"""TIFF files: compressions, orders of bytes, depths, and what has no agreed meaning."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from pushfit.decoding import images
from pushfit.errors import BadRecord
from tests.support.encoded import GREY, RGB, check, packed, scene


def tiff(order: str, photometric: int, bits: tuple[int, ...], pixels: bytes, **extra: int) -> bytes:
    """An uncompressed one-strip TIFF of 64 x 48, by hand."""
    many = len(bits)
    tags = {256: 64, 257: 48, 259: 1, 262: photometric, 277: many, 278: 48, 279: len(pixels)}
    tags |= {int(name[1:]): value for name, value in extra.items()}
    count = len(tags) + 2
    start = 8 + 2 + 12 * count + 4
    entries = {tag: struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags.items()}
    entries[273] = struct.pack(order + "HHII", 273, 4, 1, start + 2 * many * (many > 2))
    if many > 2:
        entries[258] = struct.pack(order + "HHII", 258, 3, many, start)
    else:
        entries[258] = struct.pack(order + "HHIHH", 258, 3, 1, bits[0], 0)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, count)
    body = b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    bit_list = struct.pack(order + f"{many}H", *bits) if many > 2 else b""
    return head + body + bit_list + pixels


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_tiff_compressions(compression: str) -> None:
    check(packed(RGB, "TIFF", compression=compression), scene())


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_rgb_tiff_keeps_the_high_byte(order: str) -> None:
    deep = ((scene().astype(np.uint16) << 8) + 200).astype(order + "u2")
    check(tiff(order, 2, (16, 16, 16), deep.tobytes()), scene())


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_grey_tiff(order: str) -> None:
    grey = np.asarray(GREY)
    deep = ((grey.astype(np.uint16) << 8) + 200).astype(order + "u2")
    check(tiff(order, 1, (16,), deep.tobytes()), np.repeat(grey[:, :, None], 3, axis=2))


def test_16_bit_grey_tiff_where_white_is_zero() -> None:
    grey = np.asarray(GREY)
    deep = (grey.astype("<u2") << 8).astype("<u2")
    check(tiff("<", 0, (16,), deep.tobytes()), np.repeat(255 - grey[:, :, None], 3, axis=2))


def test_12_bit_and_planar_16_bit_tiffs_are_refused() -> None:
    with pytest.raises(BadRecord, match="12 bits"):
        images.decode(tiff("<", 1, (12,), bytes(64 * 48 * 3 // 2)))
    with pytest.raises(BadRecord, match="planes"):
        images.decode(tiff("<", 2, (16, 16, 16), scene().astype("<u2").tobytes(), t284=2))


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_scale_are_refused(mode: str) -> None:
    with pytest.raises(BadRecord, match="no agreed scale"):
        images.decode(packed(GREY.convert(mode), "TIFF"))


def test_cmyk_tiff() -> None:
    image = RGB.convert("CMYK")
    check(packed(image, "TIFF"), np.asarray(image.convert("RGB")))


def test_a_truncated_or_hostile_tiff_is_refused() -> None:
    data = packed(RGB, "TIFF", compression="tiff_lzw")
    for end in range(4, len(data) - 200, 211):
        with pytest.raises(BadRecord):
            images.decode(data[:end])
    dice = random.Random(2)
    for _ in range(200):
        try:
            images.decode(data[:4] + dice.randbytes(60) + data[64:])
        except BadRecord:
            continue
