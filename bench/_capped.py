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
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench._apart import tell
from bench._dispatched import DONE, deliveries, open_dispatcher
from bench._flow import per
from bench._ready import Ready, data_set, work
from pushfit.endpoint import parse
from pushfit.tasks.base import ArraySpec
from pushfit.wire import compression
from pushfit.wire.protocol import Grant

DATA = data_set(classes=("any",))
LEASE_BYTES, BUDGET = 2 * 2**20, 256 * 2**20
HASHED = 64  # samples


def consume(address: str, mode: str, file: Path, warm: float, seconds: float) -> dict[str, Any]:
    patches = np.load(file)
    dispatcher, _ = open_dispatcher(
        (ArraySpec("image", "uint8", patches.shape[1:]),), DATA, visits=10**7, expiry=60.0,
        lease_bytes=LEASE_BYTES, budget=BUDGET, bind=parse(address, bind=True),
        compress=mode,  # type: ignore[arg-type]
    )  # fmt: skip
    digest, hashed, taken, began, cpu = hashlib.sha256(), 0, 0, 0.0, 0.0
    started = time.perf_counter()
    try:
        for delivery in deliveries(dispatcher):
            if hashed < HASHED:  # the same samples, however the leases were cut
                rows = delivery.arrays[0][: HASHED - hashed]
                digest.update(rows.tobytes())
                hashed += len(rows)
            now = time.perf_counter()
            if not began and now - started > warm:
                began, cpu = now, time.process_time()
            elif began:
                taken += delivery.lease.count
                if now - began > seconds:
                    break
        spent = time.perf_counter() - began if began else 0.0
        stages = next(iter(dispatcher.exchange.roster.peers.values())).stages
        return {
            "patches_per_second": per(taken, spent, "patches"),
            "cpu_share": (time.process_time() - cpu) / spent,
            "pack_s": stages.pack, "send_s": stages.send, "idle_s": stages.idle,
            "sha256": digest.hexdigest(),
        }  # fmt: skip
    finally:
        dispatcher.close(done=True, reason=DONE)


class Patches(Ready):
    """Visit n is patch n, modulo their number."""

    made: np.ndarray  # again and again, so that any run of them is a view
    period: int

    def specs(self) -> tuple[ArraySpec, ...]:
        return (ArraySpec("image", "uint8", self.made.shape[1:]),)

    def arrays(self, grant: Grant, rows: int) -> list[np.ndarray]:
        first = grant.first % self.period
        return [self.made[first : first + rows]]


class PackedOnce:
    """Stands in for `compression.pack`: runs of the same patches are packed once."""

    def __init__(self) -> None:
        self._pack, self._packed = compression.pack, dict[tuple[int, int], bytes]()

    def __call__(self, array: np.ndarray) -> bytes:
        key = array.ctypes.data, len(array)
        if key not in self._packed:
            self._packed[key] = self._pack(array)
        return self._packed[key]


def generate(address: str, file: str, how: str) -> None:
    patches = np.load(file)
    Patches.period = len(patches)
    Patches.made = np.concatenate([patches] * (2 + LEASE_BYTES // patches.nbytes))
    if how == "elsewhere":
        compression.pack = PackedOnce()  # type: ignore[assignment]
    work(Patches, DATA, address)


if __name__ == "__main__":
    ROLE, *WORDS = sys.argv[1:]
    if ROLE == "consume":
        tell(consume, WORDS)
    else:
        generate(*WORDS)
