"""The arrays of a lease with values, frames or declarations changed: charged to the peer, or right.

    python -m tests.fuzz.arrays 1000000 [seed]

An input is a lease as a generator sends it, with nothing or some things wrong. What the trainer
takes of it must have the dtypes, shapes and values that the task declares, looked at one by one,
and come out of the window bit for bit; a lease in which nothing is wrong must be taken.
"""

from __future__ import annotations

import math
import random
import sys
import warnings
from collections import Counter
from typing import Any, NamedTuple

import msgspec
import numpy as np

from pushfit.dispatch.claims import Claims
from pushfit.dispatch.exchange import Delivery
from pushfit.errors import ProtocolError
from pushfit.feed.buffers import Buffers
from pushfit.feed.window import Window
from pushfit.plan.batches import Start
from pushfit.plan.leases import Lease
from pushfit.plan.order import Plan, SplitOrder
from pushfit.tasks.base import ArraySpec
from pushfit.wire import compression
from pushfit.wire import protocol as wire
from pushfit.wire.arrays import ArrayLayout

VISITS, PATCHES, CLASSES = 3, 2, 5
ROWS = VISITS * PATCHES
SPECS = (
    ArraySpec("label", "int32", ()),
    ArraySpec("wide", "uint64", (2,)),
    ArraySpec("box", "float32", (3,)),
    ArraySpec("half", "float16", (2,)),
    ArraySpec("mask", "bool", (2, 2)),
    ArraySpec("image", "uint8", (4, 3)),
    ArraySpec("free", "float64", ()),
)
LIMITS: dict[str, tuple[float, float]] = {
    "label": (0, CLASSES - 1), "wide": (1, 2**40), "box": (-0.5, 1.0), "half": (-8.0, 1e6),
}  # fmt: skip
NUMBERS = (
    *(0, 1, -1, 2, 4, 5, 255, 256, 2**31 - 1, -(2**31), 2**40, 2**40 + 1, 2**64 - 1, 65504),
    *(0.0, -0.0, 0.5, -0.5, 1.0, 1.0000001, -8.0, -8.01, 1e6, 1e308, -1e308, 5e-324),
    *(math.nan, -math.nan, math.inf, -math.inf),
)
DTYPES = ("int32", ">i4", "uint32", "float32", "int64", "O", "", "V4", "float16", "bool")
SHAPES = ((), (1,), (0,), (-1,), (2**62, 2**62), (3, 4), (2, 2), (12,), (3,))
LAYOUT = ArrayLayout(SPECS)
PLAN = Plan(7, 1, {"train": SplitOrder((VISITS,), PATCHES)}, 99, 0)
LEASE = Lease(0, PLAN.segments[0], 0, VISITS, 99)
CLAIMS = Claims(PLAN, {"train": [VISITS]}, [], LIMITS)


class Sent(NamedTuple):
    """A lease on the wire. certain: whether it is right follows from its values alone."""

    header: wire.Data
    frames: list[bytes]
    certain: bool


def honest(rng: random.Random) -> list[np.ndarray]:
    """Arrays as the task declares them."""
    arrays = []
    for spec in SPECS:
        least, most = LIMITS.get(spec.name, (0, 1 if spec.dtype == "bool" else 200))
        shape = (ROWS, *spec.shape)
        count = math.prod(shape)
        if np.dtype(spec.dtype).kind == "f":
            most = min(most, 60000.0)
            values: list[float] = [rng.choice((least, most, 0.25)) for _ in range(count)]
        else:
            values = [rng.randint(int(least), int(most)) for _ in range(count)]
        arrays.append(np.array(values, spec.dtype).reshape(shape))
    return arrays


def sent(rng: random.Random) -> Sent:
    arrays, specs, certain = honest(rng), list(SPECS), True
    for _ in range(rng.choice((0, 1, 1, 1, 3))):
        _spoil(rng.choice(arrays), rng)
    frames = [array.tobytes() for array in arrays]
    packed: list[wire.Packed] = []
    if rng.random() < 0.2:
        packed = [rng.choice(("", "zstd")) for _ in SPECS]
        for number, (how, array) in enumerate(zip(packed, arrays, strict=True)):
            if how:
                frames[number] = compression.pack(array)
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        certain = False
        rng.choice((_frame, _order, _spec, _flags))(frames, specs, packed, rng)
    header = wire.Data(
        run="r", generator="g", lease=0, fence=1, first=0, count=VISITS, arrays=tuple(specs),
        stages=wire.Stages(), packed=tuple(packed),
    )  # fmt: skip
    return Sent(header, frames, certain)


def _spoil(array: np.ndarray, rng: random.Random) -> None:
    """One value, or one byte, of `array` is another."""
    flat = array.reshape(-1)
    if rng.random() < 0.3 or array.dtype == bool:
        flat.view(np.uint8)[rng.randrange(array.nbytes)] = rng.randrange(256)
        return
    value = rng.choice(NUMBERS)
    with np.errstate(all="ignore"):
        try:
            flat[rng.randrange(len(flat))] = value
        except (OverflowError, ValueError):  # an integer array cannot hold it
            flat[rng.randrange(len(flat))] = np.iinfo(array.dtype).max


def _frame(frames: list[bytes], _: Any, __: Any, rng: random.Random) -> None:
    """A frame is cut, longer, empty, noise, or has a bit flipped."""
    number = rng.randrange(len(frames)) if frames else 0
    if not frames:
        return
    frame = bytearray(frames[number])
    kind = rng.randrange(5)
    if kind == 0:
        del frame[rng.randrange(len(frame) + 1) :]
    elif kind == 1:
        frame += rng.randbytes(rng.choice((1, 4, 24)))
    elif kind == 2:
        frame = bytearray()
    elif kind == 3:
        frame = bytearray(rng.randbytes(len(frame)))
    elif frame:
        frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
    frames[number] = bytes(frame)


def _order(frames: list[bytes], _: Any, __: Any, rng: random.Random) -> None:
    """Frames are swapped, left out, or one too many."""
    kind = rng.randrange(3)
    if kind == 0:
        rng.shuffle(frames)
    elif kind == 1 and frames:
        frames.pop(rng.randrange(len(frames)))
    else:
        frames.insert(rng.randrange(len(frames) + 1), rng.randbytes(rng.choice((0, 24))))


def _spec(_: Any, specs: list[ArraySpec], __: Any, rng: random.Random) -> None:
    """The header declares another name, dtype or shape, or other arrays."""
    if not specs:
        return
    number, kind = rng.randrange(len(specs)), rng.randrange(5)
    spec = specs[number]
    if kind == 0:
        specs[number] = msgspec.structs.replace(spec, dtype=rng.choice(DTYPES))
    elif kind == 1:
        specs[number] = msgspec.structs.replace(spec, shape=rng.choice(SHAPES))
    elif kind == 2:
        specs[number] = msgspec.structs.replace(spec, name=rng.choice(("", "label", "x")))
    elif kind == 3:
        specs.pop(number)
    else:
        rng.shuffle(specs)


def _flags(_: Any, __: Any, packed: list[wire.Packed], rng: random.Random) -> None:
    """The header says of other frames that they are packed, or of more or fewer."""
    packed[:] = [rng.choice(("", "zstd")) for _ in range(rng.choice((0, 1, 6, 7, 8)))]


def right(arrays: list[np.ndarray]) -> bool:
    """Whether every value is one that the task allows, looked at by itself."""
    for spec, array in zip(SPECS, arrays, strict=True):
        if spec.dtype == "bool" and not set(array.tobytes()) <= {0, 1}:
            return False
        least, most = LIMITS.get(spec.name, (-math.inf, math.inf))
        if spec.name in LIMITS and not all(least <= x <= most for x in array.ravel().tolist()):
            return False
    return True


def taken(one: Sent) -> tuple[np.ndarray, ...]:
    """What the trainer takes. Raises ProtocolError."""
    header = wire.data_header(wire.encode(one.header))
    arrays = LAYOUT.arrays(header, one.frames, PATCHES)
    CLAIMS.check(LEASE, header, arrays)
    return arrays


def in_batch(arrays: tuple[np.ndarray, ...], rows: np.ndarray) -> dict[str, np.ndarray]:
    delivery = Delivery(LEASE, arrays, [])
    window = Window(iter([delivery]), LEASE.segment, lambda _: None, [], Start(), Buffers())
    return window.take(rows, SPECS)[0]


def one_input(rng: random.Random) -> str:
    """``"taken"`` or ``"charged"``. Raises AssertionError where it is the wrong one."""
    one = sent(rng)
    try:
        arrays = taken(one)
    except ProtocolError as error:
        assert str(error)
        if one.certain:
            whole = [
                compression.unpack(frame, spec, ROWS, ROWS * spec.nbytes) if how else frame
                for spec, frame, how in zip(
                    SPECS, one.frames, one.header.packed or [""] * len(SPECS), strict=True
                )
            ]
            values = [
                np.frombuffer(frame, spec.dtype).reshape(ROWS, *spec.shape)
                for spec, frame in zip(SPECS, whole, strict=True)
            ]
            assert not right(values), f"nothing is wrong with it: {error}"
        return "charged"
    for spec, array in zip(SPECS, arrays, strict=True):
        assert array.dtype == np.dtype(spec.dtype) and array.shape == (ROWS, *spec.shape)
    assert right(list(arrays)), "a value that the task does not allow was taken"
    rows = np.array(rng.sample(range(ROWS), ROWS))
    batch = in_batch(arrays, rows)
    for spec, array in zip(SPECS, arrays, strict=True):
        assert batch[spec.name].tobytes() == array[rows].tobytes()
    return "taken"


def fuzz(count: int, seed: int) -> Counter[str]:
    """What became of `count` inputs. Raises what escapes; a warning counts as such."""
    came: Counter[str] = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(count):
            try:
                came[one_input(random.Random(f"{seed} {number}"))] += 1
            except BaseException:
                print(f"input {number} of seed {seed}", file=sys.stderr)
                raise
    return came


if __name__ == "__main__":
    print(fuzz(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
