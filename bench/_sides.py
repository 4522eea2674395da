"""The same bytes between processes on loopback TCP, zero-copy, with more or less on top.

    raw      PUSH ─▶ PULL, `recv_multipart(copy=False)`, nothing on top
    raw_kept raw with what our own sockets set within a host: the allocator keeps receive buffers,
             the send buffer in the kernel is small
    ours     peers that speak the whole protocol with ready-made samples ─▶ Dispatcher, to a
             consumer that takes every lease in exact order and hands it back
    arrival  ours, with the leases in the order in which they come
    batched  ours, on into mixed batches
    encrypted  ours with keys (CURVE)
    tf_…     tf.data service in the forms of `bench/_tf_service.py`, so many workers as generators

The payload is noise. The consumer gets the received buffers and touches none of them; that of
`batched` copies them into batches. Every measurement is a process of its own: no side inherits the
heap of another.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from subprocess import Popen
from typing import Any

import numpy as np
import zmq

from bench import _flow
from bench._apart import child, end, tell
from bench._dispatched import DONE, deliveries, open_dispatcher
from bench._peer import DATA, noise
from bench._turns import Figures, Rounds, parser, told
from pushfit.dispatch.dispatcher import Dispatcher
from pushfit.errors import PushFitError
from pushfit.feed.feed import Feed
from pushfit.tasks.base import ArraySpec
from pushfit.wire.admission import Admission
from pushfit.wire.generator_sockets import NEAR_BYTES
from pushfit.wire.keys import KeyFolder
from pushfit.wire.sockets import keep_receive_buffers

TF = "tf_service"
TF_FORMS = ("compressed", "compressed_tuned", "uncompressed", "uncompressed_tuned")
SIZES = {"0.8MB": 800_000, "8MB": 8_000_000}
PEERS = (1, 2)
SAMPLES = 8  # samples a lease, so that the accounting has something to count
PATIENCE = 60.0  # seconds for a measurement beyond its own: a side whose peers died ends there


def _peers(kind: str, address: str, size: int, count: int, *more: str) -> list[Popen[Any]]:
    return [child("-m", "bench._peer", kind, address, size, *more) for _ in range(count)]


def _measured(source: Iterator[int], warm: int, seconds: float) -> Figures:
    """What comes after `warm` bytes: GB a second, and CPU seconds a GB in this process."""
    _flow.warmed(source, amount=warm)
    return _flow.measured(source, seconds).per_gb()


def raw(size: int, peers: int, seconds: float, *, send_buffer: int = 0) -> Figures:
    """Bare PUSH/PULL. send_buffer: of the senders, in the kernel; 0: what the kernel chooses."""
    context = zmq.Context()
    pull = context.socket(zmq.PULL)
    pull.set_hwm(16)
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    processes = _peers("raw", f"tcp://127.0.0.1:{port}", size, peers, str(send_buffer))
    try:
        source = (len(pull.recv_multipart(copy=False)[1]) for _ in itertools.count())
        return _measured(source, 20 * peers * size, seconds)
    finally:
        end(processes)
        context.destroy(linger=0)


def ours(
    size: int,
    peers: int,
    seconds: float,
    *,
    batched: bool = False,
    exact: bool = True,
    keys: Path | None = None,
) -> Figures:
    """The bytes travel as leases.

    batched: on into mixed batches; exact: in the plan's order; keys: a folder to make them in.
    """
    patches = SAMPLES if batched else 1
    specs = (ArraySpec("image", "uint8", (size // patches,)),)
    folder = KeyFolder(keys, make=True) if keys is not None else None
    key = (str(folder.make("bench")),) if folder is not None else ()
    dispatcher, address = open_dispatcher(
        specs, DATA, patches=patches, visits=10**6, window=8 if batched else 0, lease_bytes=size,
        exact=exact, admission=Admission(folder) if folder is not None else None,
    )  # fmt: skip
    processes = _peers("ours", address, size // patches, peers, *key)
    try:
        if batched:
            feed = Feed(dispatcher, specs, 2 * SAMPLES)
            source: Iterator[int] = (batch.arrays["image"].nbytes for batch in feed.all())
        else:
            source = _taken(dispatcher)
        return _measured(source, 20 * peers * size, seconds)
    finally:
        dispatcher.close(done=True, reason=DONE)
        end(processes)


def _taken(dispatcher: Dispatcher) -> Iterator[int]:
    for number, delivery in enumerate(deliveries(dispatcher)):
        made = noise(delivery.lease.nbytes) if not number else None
        if made is not None and not np.array_equal(delivery.arrays[0].ravel(), made):
            raise PushFitError("delivered is something else than what was made")
        yield delivery.arrays[0].nbytes


def encrypted(size: int, peers: int, seconds: float) -> Figures:
    """`ours` with keys: every byte is encrypted and authenticated."""
    with tempfile.TemporaryDirectory() as folder:
        return ours(size, peers, seconds, keys=Path(folder) / "keys")


def raw_kept(size: int, peers: int, seconds: float) -> Figures:
    """`raw` with the settings that our own sockets make."""
    keep_receive_buffers()
    return raw(size, peers, seconds, send_buffer=NEAR_BYTES)


SIDES: dict[str, Callable[[int, int, float], Figures]] = {
    "raw": raw,
    "raw_kept": raw_kept,
    "ours": ours,
    "arrival": partial(ours, exact=False),
    "batched": partial(ours, batched=True),
    "encrypted": encrypted,
}


def _told(side: str, case: str, *about: float) -> dict[str, Any]:
    """A measurement. about: bytes, generators and seconds, as for `measure`."""
    limit = about[-1] + PATIENCE
    if side != TF:
        return told("_sides", side, *about, seconds=limit)
    each = told("_tf_service", *about, seconds=len(TF_FORMS) * limit)
    return {f"tf_{form}_{case}": row for form, row in each.items()}


def rounds(sides: Sequence[str], options: argparse.Namespace) -> Rounds:
    """{SIDE_SIZE_xPEERS: rows}: the sides in turn, for each size and number of generators."""
    made = Rounds()
    for label, peers in itertools.product(options.sizes, options.peers):
        case, about = f"{label}_x{peers}", (SIZES[label], peers, options.seconds)
        taking_turns = {f"{side}_{case}": partial(_told, side, case, *about) for side in sides}
        made.measure(taking_turns, options.rounds)
    return made


def against(
    rounds: Rounds, name: str, side: str, others: Sequence[str], options: argparse.Namespace
) -> Figures:
    """{NAME_SIZE_xPEERS: `side` ÷ the fastest of `others`, NAME_SIZE: the worst of those}."""
    ratios: dict[str, float] = {}
    for label in options.sizes:
        each: dict[str, float] = {}
        for case in (f"{label}_x{peers}" for peers in options.peers):
            pairs = {other: (f"{side}_{case}", f"{other}_{case}") for other in others}
            if found := rounds.ratios(pairs, "gb_s"):
                each[f"{name}_{case}"] = min(found.values())
        ratios |= each
        if each:
            ratios[f"{name}_{label}"] = min(each.values())
    return ratios


def arguments(name: str, doc: str | None, args: list[str]) -> argparse.Namespace:
    """--seconds, --rounds, --sizes and --peers of the bench `name`."""
    made = parser(name, doc, seconds=3.0, rounds=5)
    made.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    made.add_argument("--peers", nargs="+", default=list(PEERS), type=int, help="generators")
    return made.parse_args(args)


def measure(side: str, size: int, peers: int, seconds: float) -> Figures:
    return SIDES[side](size, peers, seconds)


if __name__ == "__main__":
    tell(measure)
