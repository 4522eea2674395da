"""Packed arrays: nothing is lost, and a frame that lies costs nothing."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.errors import ProtocolError
from lib.tasks.base import ArraySpec
from lib.wire import packing
from lib.wire import protocol as wire

SHAPES = [
    (),
    (1,),
    (5,),
    (4, 6),
    (1, 3),
    (3, 5, 3),
    (5, 4, 1),
    (2, 3, 4),
    (2, 3, 4, 3),
    (224, 9, 3),
]
GIB = 2**30


def noisy(rows: int, spec: ArraySpec, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (rows, *spec.shape)).astype(spec.dtype)


@given(
    st.sampled_from(SHAPES),
    st.sampled_from(["uint8", "int32", "float32", "int8"]),
    st.integers(1, 9),
    st.integers(0, 99),
    st.sampled_from([1, 100, packing.PIECE_BYTES]),
)
@settings(deadline=None)
def test_every_array_comes_back_as_it_was(
    shape: tuple[int, ...], dtype: str, rows: int, seed: int, piece: int
) -> None:
    spec = ArraySpec("a", dtype, shape)
    array = noisy(rows, spec, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "PIECE_BYTES", piece)
        packed = packing.pack(array)
        back = packing.unpack(packed, spec, rows, array.nbytes)
    assert back.tobytes() == array.tobytes()


def test_neighbours_that_are_alike_take_less_room() -> None:
    ramp = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    photo = np.repeat(ramp[None, :, :, None], 3, axis=3) + noisy(
        2, ArraySpec("a", "uint8", (64, 64, 3)), 1
    ) % 4  # fmt: skip
    assert len(packing.pack(photo)) < 0.5 * photo.nbytes


SPEC = ArraySpec("image", "uint8", (4, 4, 3))
WHOLE = packing.pack(noisy(2, SPEC, 0))


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x00" * 40,
        WHOLE[:-1],
        WHOLE + b"\x00",
        WHOLE + WHOLE,
        zstandard.compress(bytes(95)),
        zstandard.compress(bytes(97)),
        zstandard.ZstdCompressor(write_content_size=False).compress(bytes(96)),
        zstandard.compress(bytes(50 * 2**20)),  # a bomb: 1,600 bytes
        # a header that says 96 bytes, before the blocks of one that holds more
        zstandard.compress(bytes(96))[:6] + zstandard.compress(bytes(2**20))[9:],
    ],
)
def test_a_frame_that_lies_is_a_protocol_error_and_takes_no_memory(frame: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="image: a packed frame"):
            packing.unpack(frame, SPEC, 2, 96)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def header(**more: object) -> wire.Data:
    fields = {
        "run": "r", "generator": "g", "lease": 1, "fence": 1, "first": 0, "count": 2,
        "arrays": (SPEC,), "stages": wire.Stages(), "packed": ("zstd",),
    }  # fmt: skip
    return wire.data_header(wire.encode(wire.Data(**{**fields, **more})))  # type: ignore[arg-type]


def test_a_lease_says_of_each_array_how_it_is_packed() -> None:
    layout = wire.Layout([SPEC])
    plain = noisy(2, SPEC, 0)
    for packed, frame in ((("zstd",), WHOLE), (("",), plain.tobytes()), ((), plain.tobytes())):
        (array,) = layout.arrays(header(packed=packed), [frame], 1)
        assert np.array_equal(array, plain)
    for packed in (("zstd", ""), ("zstd", "zstd")):
        with pytest.raises(ProtocolError):
            layout.arrays(header(packed=packed), [WHOLE], 1)
    with pytest.raises(ProtocolError):
        layout.arrays(header(), [], 1)
    with pytest.raises(ProtocolError):
        header(packed=("lzma",))
