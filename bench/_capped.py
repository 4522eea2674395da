"""One side of `bench compress`: a fleet with ready-made real patches, and a consumer of its leases.

    python -m bench._capped consume ADDRESS MODE PATCHES.npy WARM SECONDS    prints a line of JSON
    python -m bench._capped generate ADDRESS PATCHES.npy HOW                 until it is over

The generator is the real `Worker`; only its maker hands out patches that were made before, so that
what is measured is the link, the packing and the unpacking, in exact order. HOW: "here", or
"elsewhere": each lease is then packed once and sent again and again, as from hosts with cores of
their own, while here all hosts share those of one machine.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import PushFitError
from lib.generator import worker
from lib.generator.maker import Control, Made
from lib.plan.leases import Leases
from lib.plan.order import Plan, SplitOrder
from lib.tasks.base import ArraySpec, DataSet, Record
from lib.trainer.dispatcher import Dispatcher
from lib.trainer.exchange import Exchange, Job
from lib.trainer.roster import Reference
from lib.wire import packing
from lib.wire.endpoint import parse
from lib.wire.protocol import MAX_CONTROL_BYTES, Grant, Stages
from lib.wire.transport import TrainerSockets

RECORDS = tuple(Record(f"{n}", 0, 0) for n in range(1000))
DATA = DataSet(("any",), {"train": RECORDS})
LEASE_BYTES, BUDGET = 2 * 2**20, 256 * 2**20
HASHED = 64  # samples


def consume(address: str, mode: str, patches: np.ndarray, warm: float, seconds: float) -> None:
    specs = (ArraySpec("image", "uint8", patches.shape[1:]),)
    job = Job(
        run="bench", task="bench", params={}, seed=0, patches={"train": 1}, expiry=60.0,
        compress=mode,  # type: ignore[arg-type]
    )  # fmt: skip

    def leases(reference: Reference) -> Leases:
        order = SplitOrder(tuple(reference.counts["train"]), 1, visits_per_epoch=10**7)
        plan = Plan(0, 1, {"train": order}, specs[0].nbytes, window=0)
        return Leases(plan, budget=BUDGET, lease_bytes=LEASE_BYTES)

    endpoint = parse(address, bind=True)
    sockets = TrainerSockets(endpoint, 0, LEASE_BYTES + patches.nbytes, MAX_CONTROL_BYTES)
    dispatcher = Dispatcher(sockets, Exchange(sockets, job, specs, leases, own_data=DATA))
    dispatcher.start()
    digest, hashed, taken, began, cpu = hashlib.sha256(), 0, 0, 0.0, 0.0
    started = time.perf_counter()
    try:
        for delivery in dispatcher.deliveries():
            if hashed < HASHED:  # the same samples, however the leases were cut
                rows = delivery.arrays[0][: HASHED - hashed]
                digest.update(rows.tobytes())
                hashed += len(rows)
            dispatcher.handed(delivery.lease)
            now = time.perf_counter()
            if not began and now - started > warm:
                began, cpu = now, time.process_time()
            elif began:
                taken += delivery.lease.count
                if now - began > seconds:
                    break
        spent = time.perf_counter() - began
        stages = next(iter(dispatcher.exchange.roster.peers.values())).stages
        print(json.dumps({
            "patches_per_second": taken / spent,
            "cpu_share": (time.process_time() - cpu) / spent,
            "pack_s": stages.pack, "send_s": stages.send, "idle_s": stages.idle,
            "sha256": digest.hexdigest(),
        }))  # fmt: skip
    finally:
        dispatcher.close(done=True, reason="the bench is over")


class Ready:
    """Stands in for `Maker`: visit n is patch n, modulo their number."""

    patches: np.ndarray  # again and again, so that any run of them is a view
    period: int

    def __init__(self, *_: object) -> None:
        self.specs = (ArraySpec("image", "uint8", self.patches.shape[1:]),)

    def __enter__(self) -> Ready:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def look(self, control: Control, *splits: str) -> None:
        """There is nothing to be read."""

    def make(self, grant: Grant, ahead: Iterable[Grant], control: Control) -> Made:
        control.pause()
        count, first = len(grant.records), grant.first % self.period
        return Made(self.specs, [self.patches[first : first + count]], [], Stages())


class PackedOnce:
    """Stands in for `packing.pack`: runs of the same patches are packed once."""

    def __init__(self) -> None:
        self._pack, self._packed = packing.pack, dict[tuple[int, int], bytes]()

    def __call__(self, array: np.ndarray) -> bytes:
        key = array.ctypes.data, len(array)
        if key not in self._packed:
            self._packed[key] = self._pack(array)
        return self._packed[key]


class ReadyWorker(worker.Worker):
    def _open(self, trainer: Any, welcome: Any) -> Any:
        return None, DATA


def main(argv: list[str]) -> None:
    role, address, *rest = argv
    if role == "consume":
        mode, file, warm, seconds = rest
        consume(address, mode, np.load(file), float(warm), float(seconds))
        return
    file, how = rest
    patches = np.load(file)
    Ready.period = len(patches)
    Ready.patches = np.concatenate([patches] * (2 + LEASE_BYTES // patches.nbytes))
    if how == "elsewhere":
        packing.pack = PackedOnce()  # type: ignore[assignment]
    worker.Maker = Ready  # type: ignore[misc,assignment]
    ReadyWorker({parse(address): None}, Path()).run()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except PushFitError as error:
        sys.exit(str(error))
