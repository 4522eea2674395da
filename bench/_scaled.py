"""One measurement of `bench scale`: a trainer in this process, simulated generators in others.

    python -m bench._scaled flow  '{"generators": 8, "seconds": 3, …}'
    python -m bench._scaled audit '{"generators": 8, "kill": false, …}'

flow: what a fleet delivers, at full speed or at a rate of its own, and what that costs.
audit: a whole epoch into batches, hashed and audited; with `kill`, half of the fleet is killed
(SIGKILL) on the way.
"""

from __future__ import annotations

import json
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import msgspec

from bench._apart import child, end, tell
from bench._dispatched import DONE, deliveries, open_dispatcher
from bench._flow import per
from bench._light import DATA
from pushfit.errors import PushFitError
from pushfit.feed.feed import Feed
from pushfit.plan.leases import Leases
from pushfit.tasks.base import ArraySpec

PATIENCE = 60.0
BATCH = 64
MIX = 8
EXPIRY = 5.0  # where generators are killed


class Setup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """generators: how many, in so many processes; rate: visits a second of them all, 0: no limit.

    size, patches: bytes of a sample and samples of a visit; visits: of the epoch.
    """

    generators: int
    processes: int = 2
    rate: float = 0.0
    size: int = 100_000
    patches: int = 1
    visits: int = 300_000
    lease_bytes: int = 800_000
    budget: int = 2**31
    expiry: float = 30.0
    seconds: float = 3.0
    kill: bool = False


class Trainer:
    """A run without a model: the dispatcher, and a fleet that waits for `go`."""

    def __init__(self, setup: Setup) -> None:
        self.specs = (ArraySpec("image", "uint8", (setup.size,)),)
        self.setup = setup
        self.dispatcher, self.address = open_dispatcher(
            self.specs, DATA, patches=setup.patches, visits=setup.visits, window=MIX,
            lease_bytes=setup.lease_bytes, budget=setup.budget, expiry=setup.expiry,
            data_total=2 * setup.budget,
        )  # fmt: skip
        self.fleet: list[Popen[str]] = []

    @property
    def leases(self) -> Leases:
        assert self.dispatcher.exchange.leases is not None
        return self.dispatcher.exchange.leases

    def start(self) -> float:
        """Seconds from `go` until all have joined."""
        setup = self.setup
        work = setup.generators / setup.rate if setup.rate else 0.0
        processes = min(setup.processes, setup.generators)
        for number in range(processes):
            count = len(range(number, setup.generators, processes))
            words = (self.address, count, setup.size, work)
            command = ("-m", "bench._light", *words)
            self.fleet.append(child(*command, stdin=PIPE, stdout=PIPE, text=True))
        for process in self.fleet:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise PushFitError("the simulated generators did not start")
        started = time.perf_counter()
        self.tell("go")
        self.dispatcher.reference(say=lambda text: None)
        while self.dispatcher.exchange.generators < setup.generators:
            if time.perf_counter() - started > PATIENCE:
                raise PushFitError(f"only {self.dispatcher.exchange.generators} generators joined")
            time.sleep(0.005)
        return time.perf_counter() - started

    def tell(self, word: str) -> None:
        for process in self.fleet:
            if process.poll() is None:
                assert process.stdin is not None
                process.stdin.write(f"{word}\n")
                process.stdin.flush()

    def reports(self) -> list[dict[str, Any]]:
        self.tell("report")
        return [json.loads(process.stdout.readline()) for process in self.fleet if process.stdout]

    def taken(self) -> Iterator[int]:
        """Every lease, in order, handed back at once: its bytes."""
        at = 0
        for delivery in deliveries(self.dispatcher):
            if delivery.lease.start != at:
                raise PushFitError(f"visit {delivery.lease.start} came in the place of {at}")
            at += delivery.lease.count
            yield delivery.lease.nbytes

    def close(self) -> None:
        self.dispatcher.close(done=True, reason=DONE)
        end(self.fleet)


def flow(setup: Setup) -> dict[str, float]:
    """What `setup` delivers a second, once it runs evenly, and what it costs."""
    trainer = Trainer(setup)
    try:
        joined = trainer.start()
        source = trainer.taken()
        warm = time.perf_counter() + max(0.5, 0.5 * setup.seconds)
        taken = 0  # until each part of the buffer was in use once: a longer run pays that no more
        while time.perf_counter() < warm or (not setup.rate and taken < setup.budget):
            taken += next(source)
        trainer.tell("mark")
        threads, cut = _threads(), trainer.leases._next_id
        backups = trainer.dispatcher.exchange.backups["made"]
        started, cpu, got, count = time.perf_counter(), time.process_time(), 0, 0
        while (spent := time.perf_counter() - started) < setup.seconds or not got:
            got += next(source)
            count += 1
        cpu = time.process_time() - cpu
        python = sum(_threads().get(name, 0.0) - threads.get(name, 0.0) for name in threads)
        cut = trainer.leases._next_id - cut
        backups = trainer.dispatcher.exchange.backups["made"] - backups
        reports = trainer.reports()
    finally:
        trainer.close()
    peers = sum(each["cpu"] for each in reports)
    latencies = sorted(ms for each in reports for ms in each["latencies"])
    messages = sum(each["messages"] for each in reports)
    return {
        "join_s": joined,
        "gb_s": got / spent / 1e9,
        "leases_s": count / spent,
        "grants_s": cut / spent,
        "grant_messages_s": messages / spent,
        "lease_kb": got / count / 1e3,
        "cpu_s_per_gb": cpu / got * 1e9,
        "us_per_lease": cpu / count * 1e6,
        "python_us_per_lease": python / count * 1e6,
        "peers_cpu_share": per(peers, peers + cpu, "CPU seconds"),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
        "backups": backups,
        "grant_p50_ms": _at(latencies, 0.50) * 1e3,
        "grant_p99_ms": _at(latencies, 0.99) * 1e3,
    }


def _at(ordered: list[float], share: float) -> float:
    return ordered[int(share * (len(ordered) - 1))] if ordered else 0.0


def _threads() -> dict[str, float]:
    """CPU seconds of the threads of this process that run Python, by their numbers."""
    ticks = 100.0
    spent = {}
    for task in Path("/proc/self/task").iterdir():
        name, _, rest = (task / "stat").read_text().rpartition(")")
        if "ZMQbg" not in name:
            fields = rest.split()
            spent[task.name] = (int(fields[11]) + int(fields[12])) / ticks
    return spent


def audit(setup: Setup) -> dict[str, Any]:
    """An epoch into hashed batches. With `kill`: half of it in, half of the fleet is killed."""
    trainer = Trainer(setup)
    try:
        joined = trainer.start()
        feed = Feed(trainer.dispatcher, trainer.specs, BATCH, hashed=True)
        gap = recovered = 0.0
        killed: float | None = None
        outstanding = -1
        last = time.perf_counter()
        for batches, _ in enumerate(feed.all(), 1):
            now = time.perf_counter()
            gap, last = max(gap, now - last) if killed else 0.0, now
            if setup.kill and killed is None and batches * BATCH * 4 > setup.visits * setup.patches:
                outstanding = trainer.leases._next_id  # all below it are granted, or done
                for process in trainer.fleet[::2]:
                    process.send_signal(signal.SIGKILL)
                killed = now
            elif (
                killed and not recovered and next(iter(trainer.leases._open), 10**9) >= outstanding
            ):
                recovered = now - killed
        faults = dict(trainer.dispatcher.exchange.faults)
        row = feed.audit()["train"][0]
    finally:
        trainer.close()
    return {
        "join_s": joined,
        "recovered_s": recovered,
        "gap_s": gap,
        "missing": row["missing"],
        "duplicate": row["duplicate"],
        "seen": row["seen"],
        "stream_sha256": row["stream_sha256"],
        "faults": faults,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
    }


def measure(kind: str, setup: str) -> dict[str, Any]:
    return {"flow": flow, "audit": audit}[kind](msgspec.json.decode(setup, type=Setup))


if __name__ == "__main__":
    tell(measure)
