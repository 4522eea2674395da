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

The payload is noise. The consumer of each gets the received buffers and touches none of them, but
for `batched`. Every measurement is a process of its own: no side inherits another's heap.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from bench._peer import noise
from lib.plan.leases import Leases
from lib.plan.order import Plan, SplitOrder
from lib.tasks.base import ArraySpec, DataSet, Record
from lib.trainer.dispatcher import Dispatcher
from lib.trainer.exchange import Exchange, Job
from lib.trainer.feed import Feed
from lib.trainer.roster import Reference
from lib.wire.admission import Admission
from lib.wire.endpoint import Endpoint
from lib.wire.generator_sockets import NEAR_BYTES
from lib.wire.keys import KeyFolder
from lib.wire.protocol import MAX_CONTROL_BYTES
from lib.wire.sockets import keep_receive_buffers
from lib.wire.transport import TrainerSockets

TF = "tf_service"
TF_FORMS = ("compressed", "compressed_tuned", "uncompressed", "uncompressed_tuned")
SIZES = {"0.8MB": 800_000, "8MB": 8_000_000}
PEERS = (1, 2)
SAMPLES = 8  # samples a lease, so that the accounting has something to count
BUDGET = 512 * 2**20
RECORDS = 1000
PATIENCE = 60.0  # seconds for a measurement beyond its own: a side whose peers died ends there


def _peers(
    kind: str, address: str, size: int, count: int, *more: str
) -> list[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "bench._peer", kind, address, str(size), *more]
    return [subprocess.Popen(command) for _ in range(count)]


def _end(peers: list[subprocess.Popen[bytes]]) -> None:
    for peer in peers:
        peer.kill()
        peer.wait()


def raw(size: int, peers: int, seconds: float, *, send_buffer: int = 0) -> tuple[float, float]:
    """Bytes/s of bare PUSH/PULL, and CPU seconds a GB in this process.

    send_buffer: of the senders, in the kernel; 0 for what the kernel thinks best.
    """
    context = zmq.Context()
    pull = context.socket(zmq.PULL)
    pull.set_hwm(16)
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    processes = _peers("raw", f"tcp://127.0.0.1:{port}", size, peers, str(send_buffer))
    try:
        for _ in range(20 * peers):
            pull.recv_multipart(copy=False)
        started, cpu, got = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - started < seconds:
            got += len(pull.recv_multipart(copy=False)[1])
        spent = time.perf_counter() - started
        return got / spent, (time.process_time() - cpu) / got * 1e9
    finally:
        _end(processes)
        context.destroy(linger=0)


def ours(
    size: int,
    peers: int,
    seconds: float,
    *,
    batched: bool = False,
    exact: bool = True,
    keys: Path | None = None,
) -> tuple[float, float]:
    """The same over leases.

    batched: on into mixed batches; exact: in the plan's order; keys: a folder to make them in.
    """
    patches = SAMPLES if batched else 1
    specs = (ArraySpec("image", "uint8", (size // patches,)),)
    records = tuple(Record(f"{n}", 0, 0) for n in range(RECORDS))
    data = DataSet(("any",), {"train": records})
    patch_counts = {"train": patches}
    job = Job(run="bench", task="bench", params={"size": size}, seed=0, patches=patch_counts)

    def leases(reference: Reference) -> Leases:
        order = SplitOrder(tuple(reference.counts["train"]), patches, visits_per_epoch=10**6)
        plan = Plan(0, 1, {"train": order}, specs[0].nbytes, window=8 if batched else 0)
        return Leases(plan, budget=BUDGET, lease_bytes=size, exact=exact)

    folder = KeyFolder(keys, make=True) if keys is not None else None
    key = (str(folder.make("bench")),) if folder is not None else ()
    sockets = TrainerSockets(
        Endpoint("127.0.0.1", 0),
        0,
        size + 2**16,
        MAX_CONTROL_BYTES,
        admission=Admission(folder) if folder is not None else None,
    )
    dispatcher = Dispatcher(sockets, Exchange(sockets, job, specs, leases, own_data=data))
    address = f"tcp://127.0.0.1:{sockets.control_port}"
    dispatcher.start()
    processes = _peers("ours", address, size // patches, peers, *key)
    try:
        if batched:
            feed = Feed(dispatcher, specs, 2 * SAMPLES)
            source = (batch.arrays["image"].nbytes for batch in feed.all())
        else:
            source = _taken(dispatcher)
        warm = 0
        while warm < 20 * peers * size:
            warm += next(source)
        started, cpu, got = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - started < seconds:
            got += next(source)
        spent = time.perf_counter() - started
        return got / spent, (time.process_time() - cpu) / got * 1e9
    finally:
        dispatcher.close(done=True, reason="the bench is over")
        _end(processes)


def _taken(dispatcher: Dispatcher) -> Any:
    for number, delivery in enumerate(dispatcher.deliveries()):
        if not number and not np.array_equal(
            delivery.arrays[0].ravel(), noise(delivery.lease.nbytes)
        ):
            raise RuntimeError("delivered is something else than what was made")
        nbytes = delivery.arrays[0].nbytes
        dispatcher.handed(delivery.lease)
        yield nbytes


def encrypted(size: int, peers: int, seconds: float) -> tuple[float, float]:
    """`ours` with keys: every byte is encrypted and authenticated."""
    with tempfile.TemporaryDirectory() as folder:
        return ours(size, peers, seconds, keys=Path(folder) / "keys")


def raw_kept(size: int, peers: int, seconds: float) -> tuple[float, float]:
    """`raw` with the settings that our own sockets make."""
    keep_receive_buffers()
    return raw(size, peers, seconds, send_buffer=NEAR_BYTES)


SIDES = {
    "raw": raw,
    "raw_kept": raw_kept,
    "ours": ours,
    "arrival": partial(ours, exact=False),
    "batched": partial(ours, batched=True),
    "encrypted": encrypted,
}


def _fresh(side: str, size: int, peers: int, seconds: float) -> tuple[float, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "bench._sides", side, str(size), str(peers), str(seconds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=seconds + PATIENCE)
    rate, cpu = json.loads(done.stdout)
    return rate, cpu


def tf_service(size: int, peers: int, seconds: float) -> dict[str, tuple[float, float]]:
    """{"tf_FORM": …} of tf.data service, one after the other."""
    command = [sys.executable, "-m", "bench._tf_service", str(size), str(peers), str(seconds)]
    limit = len(TF_FORMS) * (seconds + PATIENCE)
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=limit)
    each: dict[str, tuple[float, float]] = json.loads(done.stdout)
    return {f"tf_{form}": (rate, cpu) for form, (rate, cpu) in each.items()}


class Rounds:
    """Several sides measured in turn, for each size and number of generators.

    figures: medians, {SIDE_SIZE_xPEERS_gb_s, …_cpu_s_per_gb}.
    """

    def __init__(self, sides: Sequence[str], options: argparse.Namespace) -> None:
        self.figures: dict[str, float] = {}
        self.sizes = {label: SIZES[label] for label in options.sizes}
        self.peers: list[int] = options.peers
        self._rates: dict[tuple[str, str, int], list[float]] = {}
        for (label, size), peers in itertools.product(self.sizes.items(), self.peers):
            measured: dict[str, list[tuple[float, float]]] = defaultdict(list)
            for turn in range(options.rounds):
                first = turn % len(sides)  # whoever follows whom, nobody gains by it
                for side in (*sides[first:], *sides[:first]):
                    if side == TF:
                        for form, got in tf_service(size, peers, options.seconds).items():
                            measured[form].append(got)
                    else:
                        measured[side].append(_fresh(side, size, peers, options.seconds))
            for side, each in measured.items():
                rates, cpu = zip(*each, strict=True)
                self._rates[side, label, peers] = list(rates)
                self.figures[f"{side}_{label}_x{peers}_gb_s"] = statistics.median(rates) / 1e9
                self.figures[f"{side}_{label}_x{peers}_cpu_s_per_gb"] = statistics.median(cpu)

    def ratio(self, side: str, other: str, label: str, peers: int) -> float:
        """The median of the rounds' ratios."""
        pairs = zip(self._rates[side, label, peers], self._rates[other, label, peers], strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)

    def against(self, name: str, side: str, others: Sequence[str]) -> dict[str, float]:
        """{NAME_SIZE_xPEERS: `side` ÷ the fastest of `others`, NAME_SIZE: the worst of those}."""
        ratios: dict[str, float] = {}
        for label in self.sizes:
            each = {
                peers: min(self.ratio(side, other, label, peers) for other in others)
                for peers in self.peers
            }
            ratios |= {f"{name}_{label}_x{peers}": ratio for peers, ratio in each.items()}
            ratios[f"{name}_{label}"] = min(each.values())
        return ratios


def arguments(name: str, args: list[str]) -> argparse.Namespace:
    """--seconds, --rounds, --sizes and --peers of the bench `name`."""
    parser = argparse.ArgumentParser(prog=f"python -m bench {name}")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--peers", nargs="+", default=list(PEERS), type=int, help="generators")
    return parser.parse_args(args)


if __name__ == "__main__":
    side, size, peers, seconds = sys.argv[1:]
    print(json.dumps(SIDES[side](int(size), int(peers), float(seconds))))
