"""Weights and groups of another host: whole, of the right length, and numbers that a scan gives."""

from __future__ import annotations

import tracemalloc
import zlib
from contextlib import suppress

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.errors import ProtocolError
from pushfit.tasks import visiting
from pushfit.wire import protocol as wire
from pushfit.wire.packed_visiting import pack, unpack

READY = wire.Ready(run="r", source="s", fingerprint="f", classes=("x",), counts={"train": [3]})


def test_they_survive_and_are_left_out_where_there_are_none() -> None:
    found = visiting.of((1, 0, 2.5), (7, 7, 9), 3)
    assert unpack(pack(found.weights), pack(found.groups), 3) == found
    assert unpack(b"", b"", 3) == visiting.Visiting()
    told = msgspec.msgpack.decode(wire.encode(READY))
    assert not {"weights", "groups"} & told.keys()
    full = msgspec.structs.replace(READY, weights=pack(found.weights), groups=pack(found.groups))
    assert wire.from_generator(wire.encode(full)) == full


def test_a_million_weights_of_a_mixture_take_little_of_a_message() -> None:
    weights = np.random.default_rng(0).choice([0.25, 1.5, 3.0], 10**6)
    assert len(pack(visiting.of(weights, (), 10**6).weights)) < wire.MAX_CONTROL_BYTES // 16


@pytest.mark.parametrize(
    ("weights", "groups"),
    [
        (b"nonsense", b""), (pack(bytes(12))[:-1], b""), (pack(b"\0" * 8 + b"\0\0\x80\xbf"), b""),
        (pack(b"\0\0\xc0\x7f" * 3), b""), (pack(b"\0\0\x80\x7f" * 3), b""), (pack(bytes(12)), b""),
        (pack(np.ones(2, "<f4").tobytes()), b""), (pack(np.ones(4, "<f4").tobytes()), b""),
        (b"", b"nonsense"), (b"", pack(bytes(8))), (b"", pack(bytes(13))),
    ],
)  # fmt: skip
def test_what_no_scan_gives_is_refused(weights: bytes, groups: bytes) -> None:
    with pytest.raises(ProtocolError, match="weights or groups of records are not valid: "):
        unpack(weights, groups, 3)


def test_what_explodes_is_not_unpacked() -> None:
    packed = zlib.compress(bytes(2**27))
    tracemalloc.start()
    try:
        for records in (3, 0):
            with pytest.raises(ProtocolError, match="do not unpack to"):
                unpack(packed, b"", records)
        assert tracemalloc.get_traced_memory()[1] < 10**6
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=100), st.binary(max_size=100), st.integers(0, 9))
def test_any_bytes_are_a_protocol_error_or_numbers(
    weights: bytes, groups: bytes, records: int
) -> None:
    for one, other in ((weights, groups), (pack(weights), pack(groups))):
        with suppress(ProtocolError):
            found = unpack(one, other, records)
            assert len(found.weights) in (0, 4 * records)


def test_a_message_with_other_things_than_bytes_is_refused() -> None:
    for wrong in (None, [1.0, 2.0], "text", 3):
        told = {**msgspec.msgpack.decode(wire.encode(READY)), "weights": wrong}
        with pytest.raises(ProtocolError):
            wire.from_generator(msgspec.msgpack.encode(told))


def test_weights_that_no_message_can_take_are_named() -> None:
    noise = np.random.default_rng(0).bytes(wire.MAX_CONTROL_BYTES)
    said = wire.unfit(msgspec.structs.replace(READY, weights=pack(noise)))
    assert "a trainer allows 16,777,216 (names of classes, or weights and groups of records" in said
