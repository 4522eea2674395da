"""Packed arrays: nothing is lost, and a frame that lies costs nothing."""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pushfit.errors import ProtocolError
from pushfit.tasks.base import ArraySpec
from pushfit.wire import compression
from pushfit.wire import protocol as wire
from pushfit.wire.arrays import ArrayLayout

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
    st.sampled_from([1, 100, compression.PIECE_BYTES]),
)
def test_every_array_comes_back_as_it_was(
    shape: tuple[int, ...], dtype: str, rows: int, seed: int, piece: int
) -> None:
    spec = ArraySpec("a", dtype, shape)
    array = noisy(rows, spec, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compression, "PIECE_BYTES", piece)
        packed = compression.pack(array)
        back = compression.unpack(packed, spec, rows, array.nbytes)
    assert back.tobytes() == array.tobytes()


def test_neighbours_that_are_alike_take_less_room() -> None:
    ramp = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    photo = np.repeat(ramp[None, :, :, None], 3, axis=3) + noisy(
        2, ArraySpec("a", "uint8", (64, 64, 3)), 1
    ) % 4  # fmt: skip
    assert len(compression.pack(photo)) < 0.5 * photo.nbytes


SPEC = ArraySpec("image", "uint8", (4, 4, 3))
WHOLE = compression.pack(noisy(2, SPEC, 0))


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
            compression.unpack(frame, SPEC, 2, 96)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def block(content: bytes, *, last: bool = True) -> bytes:
    return struct.pack("<I", len(content) << 3 | last)[:3] + content


def repeated(count: int, *, last: bool = True) -> bytes:
    """A block of four bytes that comes to `count`."""
    return struct.pack("<I", count << 3 | 1 << 1 | last)[:3] + b"\0"


def told(window: int, size: int, flags: int = 0, more: bytes = b"") -> bytes:
    """The head of a frame that wants a window of 2**`window` bytes and says it holds `size`."""
    if size < 2**32:
        return b"\x28\xb5\x2f\xfd" + bytes([2 << 6 | flags, window - 10 << 3]) + more + (
            struct.pack("<I", size)
        )  # fmt: skip
    return b"\x28\xb5\x2f\xfd" + bytes([3 << 6, window - 10 << 3]) + struct.pack("<Q", size)


LIES = {
    "a window of 2 GiB, and cut off": told(31, 96) + block(bytes(96))[:50],
    "a window of 2 TiB, and cut off": told(41, 96) + block(bytes(96))[:50],
    "a window of 128 MiB, and cut off": told(27, 96) + block(bytes(96))[:50],
    "a usual window, and cut off": told(10, 96) + block(bytes(96))[:50],
    "a first block and no other": told(31, 96) + block(bytes(10), last=False),
    "more than it says": told(31, 96) + repeated(2**17, last=False) + repeated(2**17),
    "much more": told(31, 96) + repeated(2**17, last=False) * 10_000 + repeated(1),
    "less than it says": told(31, 96) + block(bytes(10)),
    "2**64 - 1 bytes": told(31, 2**64 - 1) + block(bytes(96)),
    "2**64 - 2 bytes": told(31, 2**64 - 2) + block(bytes(96)),
    "2**63 bytes": told(31, 2**63) + block(bytes(96)),
    "a dictionary": told(31, 96, 1, b"\7") + block(bytes(96)),
    "a wrong checksum": told(10, 96, 4) + block(bytes(96)) + b"abcd",
    "nothing, in a frame to be skipped": b"\x50\x2a\x4d\x18" + struct.pack("<I", 96) + bytes(96),
    "a frame to be skipped behind it": WHOLE + b"\x50\x2a\x4d\x18" + struct.pack("<I", 0),
}


@pytest.mark.parametrize("name", LIES)
def test_a_frame_made_by_hand_is_a_protocol_error(name: str) -> None:
    with pytest.raises(ProtocolError, match="image: a packed frame"):
        compression.unpack(LIES[name], SPEC, 2, 96)


def test_no_lie_takes_memory_outside_pythons_sight_either() -> None:
    """In a process that may have 32 MiB more than it has, and hears of it where that was too
    little; a window that is only large is no lie, and costs none."""
    root = Path(__file__).resolve().parents[2]
    command = [
        sys.executable,
        "-c",
        "from tests.wire import test_compression as t; t.with_little()",
    ]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(LIES)} refused\n"


def with_little() -> None:
    compression.unpack(WHOLE, SPEC, 2, 96)  # all that is loaded late is there
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 32 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    refused = 0
    for frame in LIES.values():
        try:
            compression.unpack(frame, SPEC, 2, 96)
        except ProtocolError as error:
            refused += "llocation" not in str(error)
    compression.unpack(told(31, 96) + block(bytes(96)), SPEC, 2, 96)
    print(f"{refused} refused")


def header(**more: object) -> wire.Data:
    fields = {
        "run": "r", "generator": "g", "lease": 1, "fence": 1, "first": 0, "count": 2,
        "arrays": (SPEC,), "stages": wire.Stages(), "packed": ("zstd",),
    }  # fmt: skip
    return wire.data_header(wire.encode(wire.Data(**{**fields, **more})))  # type: ignore[arg-type]


def test_a_lease_says_of_each_array_how_it_is_packed() -> None:
    layout = ArrayLayout([SPEC])
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
