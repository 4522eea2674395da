"""Every message survives its way; any other bytes are a ProtocolError and nothing else."""

from __future__ import annotations

import zlib
from contextlib import suppress

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.errors import ProtocolError
from pushfit.tasks.base import ArraySpec
from pushfit.wire import file_listing
from pushfit.wire import protocol as wire
from pushfit.wire.arrays import ArrayLayout
from pushfit.wire.legal_orders import LEGAL
from tests.support.names import UTF8

SPECS = (ArraySpec("image", "uint8", (2, 2, 3)), ArraySpec("label", "int32", ()))

FROM_GENERATOR = [
    wire.Hello(host="a", pid=1, slots=2, libraries={"numpy": "2.4"}, version="1.0"),
    wire.Ready(
        run="r",
        source="s",
        fingerprint="f",
        classes=("x", "y"),
        counts={"train": [1, 2]},
        listing=b"z",
    ),
    wire.Heartbeat(run="r", doing="train/x/1.jpg"),
    wire.Heartbeat(run="r", doing="train/x/1.jpg", lease=3, record=8, ask=True),
    wire.Heartbeat(run="r", gone=(1, 3)),
    wire.Fail(run="r", lease=1, fence=2, record=3, path="p", reason="gone", retry=True),
    wire.Bye(run="r", unstarted=[4, 5]),
]
FROM_TRAINER = [
    wire.Welcome(
        run="r", task="camera", params={"patch": 64}, seed=1, patches={"train": 16},
        data_port=12002, heartbeat=1.0, silence=5.0, expiry=30.0, source="0123456789abcdef",
    ),
    wire.Reject(reason="no"),
    wire.Grants(run="r", grants=[wire.Grant(1, 2, "train", 0, 4, [7, 8], [8], True)]),
    wire.Alive(run="r"),
    wire.Alive(run="r", lease=3, record=8),
    wire.Alive(run="r", need=wire.Need(7, False)),
    wire.Reset(run="r"),
    wire.Fin(run="r", done=True),
]  # fmt: skip


def header(**changes: object) -> wire.Data:
    fields = {
        "run": "r", "generator": "g", "lease": 3, "fence": 1, "first": 0, "count": 2,
        "arrays": SPECS, "stages": wire.Stages(0.1, 0.2, 0.3, 0.4),
        "bad": [wire.Bad(0, 5, "train/x/5.jpg", "truncated")],
    }  # fmt: skip
    return wire.Data(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("message", FROM_GENERATOR, ids=lambda m: type(m).__name__)
def test_a_generators_messages_survive(message: wire.FromGenerator) -> None:
    assert wire.from_generator(wire.encode(message)) == message
    with pytest.raises(ProtocolError):
        wire.from_trainer(wire.encode(message))


@pytest.mark.parametrize("message", FROM_TRAINER, ids=lambda m: type(m).__name__)
def test_the_trainers_messages_survive(message: wire.FromTrainer) -> None:
    assert wire.from_trainer(wire.encode(message)) == message
    with pytest.raises(ProtocolError):
        wire.from_generator(wire.encode(message))


def test_a_message_is_a_map_with_its_version() -> None:
    told = msgspec.msgpack.decode(wire.encode(FROM_GENERATOR[0]))
    assert told["v"] == wire.VERSION and told["type"] == "hello"


def test_another_version_is_named() -> None:
    other = {**msgspec.msgpack.decode(wire.encode(FROM_GENERATOR[0])), "v": 99}
    with pytest.raises(ProtocolError, match=r"version 99.*this side 1"):
        wire.from_generator(msgspec.msgpack.encode(other))


@pytest.mark.parametrize(
    "change",
    [{"slots": 0}, {"slots": -1}, {"slots": 10**9}, {"pid": -1}, {"host": ""}, {"host": "x" * 300},
     {"libraries": {"numpy": 3}}, {"version": None}],
    ids=str,
)  # fmt: skip
def test_fields_out_of_bounds_are_refused(change: dict[str, object]) -> None:
    told = {**msgspec.msgpack.decode(wire.encode(FROM_GENERATOR[0])), **change}
    with pytest.raises(ProtocolError):
        wire.from_generator(msgspec.msgpack.encode(told))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_protocol_error_or_a_message(frame: bytes) -> None:
    for decode in (wire.from_generator, wire.from_trainer, wire.data_header):
        with suppress(ProtocolError):
            decode(frame)


@given(st.data())
def test_a_flipped_byte_never_escapes_as_another_exception(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from([*FROM_GENERATOR, *FROM_TRAINER, header()]))
    frame = bytearray(wire.encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    for decode in (wire.from_generator, wire.from_trainer, wire.data_header):
        with suppress(ProtocolError):
            decode(bytes(frame))


def test_deep_nesting_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        wire.from_generator(b"\x81\xa4type" + b"\x91" * 100_000)


def test_arrays_are_views_into_the_frames() -> None:
    image = np.arange(2 * 3 * 12, dtype=np.uint8).reshape(6, 2, 2, 3)
    label = np.arange(6, dtype=np.int32)
    frames = [image.tobytes(), label.tobytes()]
    got = ArrayLayout(SPECS).arrays(header(), frames, patches=3)
    assert (got[0] == image).all() and (got[1] == label).all()
    assert got[0].base is not None and not got[0].flags.writeable


@pytest.mark.parametrize(
    ("changes", "sizes"),
    [
        ({}, (72, 23)), ({}, (72, 25)), ({}, (71, 24)), ({}, (72,)), ({}, (72, 24, 1)),
        ({"count": 3}, (72, 24)), ({"count": 2**31}, (72, 24)), ({"arrays": ()}, (72, 24)),
        ({"arrays": SPECS[:1]}, (72, 24)),
        ({"arrays": (ArraySpec("image", "float64", (2, 2, 3)), SPECS[1])}, (72, 24)),
        ({"arrays": (ArraySpec("image", "O", (2, 2, 3)), SPECS[1])}, (72, 24)),
        ({"arrays": (ArraySpec("image", "uint8", (-2, 2, 3)), SPECS[1])}, (72, 24)),
        ({"arrays": SPECS[::-1]}, (24, 72)),
    ],
)  # fmt: skip
def test_arrays_that_lie_about_themselves_are_refused(
    changes: dict[str, object], sizes: tuple[int, ...]
) -> None:
    with pytest.raises(ProtocolError, match="lease 3"):
        ArrayLayout(SPECS).arrays(header(**changes), [bytes(n) for n in sizes], patches=3)


@given(st.lists(UTF8.map(lambda name: name.replace("\0", "")), min_size=1))
def test_a_listing_survives(lines: list[str]) -> None:
    if lines == [""]:
        lines = ["x"]
    assert file_listing.unpack(file_listing.pack(lines)) == lines


def test_a_broken_or_exploding_listing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for packed in (
        b"nonsense",
        file_listing.pack(["a" * 1000])[:-3],
        zlib.compress(b"\xff"),
        file_listing.pack(["\udcff"]),
    ):
        with pytest.raises(ProtocolError):
            file_listing.unpack(packed)
    monkeypatch.setattr(file_listing, "MAX_LISTING_BYTES", 1000)
    with pytest.raises(ProtocolError, match="larger"):
        file_listing.unpack(zlib.compress(bytes(10**6)))


def test_every_legal_pair_names_a_message_of_a_generator() -> None:
    said = {type(message) for message in FROM_GENERATOR}
    assert {kind for _, kind in LEGAL} == said
