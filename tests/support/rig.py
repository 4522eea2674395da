"""A dispatcher with workers in threads, over real sockets; and a peer that is spoken by hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pushfit import __version__
from pushfit.dispatch.bad_records import BadRecords
from pushfit.dispatch.dispatcher import Dispatcher
from pushfit.dispatch.exchange import Exchange
from pushfit.dispatch.job import Job
from pushfit.endpoint import Endpoint
from pushfit.errors import DataError
from pushfit.feed.feed import Feed
from pushfit.feed.source import Reference
from pushfit.generator.worker import Worker
from pushfit.plan.leases import Leases
from pushfit.plan.order import Plan, SplitOrder
from pushfit.tasks import checks, compatibility
from pushfit.tasks.base import DataSet
from pushfit.wire import protocol as wire
from pushfit.wire.admission import Admission
from pushfit.wire.generator_sockets import GeneratorSockets
from pushfit.wire.keys import GeneratorKey
from pushfit.wire.trainer_sockets import TrainerSockets
from tests.support.fakes import NumberParams, NumberTask

PATCHES = {"train": 3, "val": 1}
SAMPLE = 4 * 4 * 4 + 4
DEADLINE = 20.0  # seconds that any wait here may take before the test fails


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


class Rig:
    """A dispatcher on a free port, and workers in threads."""

    def __init__(
        self,
        links: Path,
        *,
        own: bool = True,
        epochs: int = 2,
        admission: Admission | None = None,
        silence: float = 1.0,
    ) -> None:
        self.links, self.task = links, NumberTask(NumberParams())
        self.rows: list[dict[str, Any]] = []
        self.errors: list[Exception] = []
        self.workers: list[tuple[Worker, threading.Thread]] = []
        self.stopped: list[Worker] = []
        self.strangers: list[Stranger] = []
        self.epochs = epochs
        job = Job(
            run="run", task="number", params={"side": 4}, seed=7, patches=PATCHES,
            heartbeat=0.05, silence=silence, source=compatibility.source_of(self.task),
        )  # fmt: skip
        sockets = TrainerSockets(
            Endpoint("127.0.0.1", 0), 0, 10**5, wire.MAX_CONTROL_BYTES,
            silence=silence, admission=admission,
        )  # fmt: skip
        self.sockets = sockets
        self.address = Endpoint("127.0.0.1", sockets.control_port)
        data: DataSet | None = self.task.scan(links) if own else None
        exchange = Exchange(
            sockets, job, self.task.arrays(), self.leases, own_data=data,
            limits=lambda classes: checks.limits(self.task, classes),
            bad=BadRecords(lambda row: self.rows.append(dict(row))),
        )  # fmt: skip
        self.dispatcher = Dispatcher(sockets, exchange)
        self.dispatcher.start()

    def leases(self, reference: Reference) -> Leases:
        orders = {
            "train": SplitOrder(tuple(reference.counts.get("train", ())), 3),
            "val": SplitOrder(
                tuple(reference.counts.get("val", ())), 1, shuffle=False, fresh=False
            ),
        }
        if not orders["train"].records:
            raise DataError("no records")  # as Stream does
        plan = Plan(7, self.epochs, orders, SAMPLE, 4)
        return Leases(plan, budget=100 * SAMPLE, lease_bytes=6 * SAMPLE)

    def worker(self, links: Path | None = None, key: GeneratorKey | None = None) -> Worker:
        worker = Worker({self.address: key}, links or self.links)
        thread = threading.Thread(target=self._run, args=(worker,))
        self.workers.append((worker, thread))
        thread.start()
        return worker

    def _run(self, worker: Worker) -> None:
        try:
            worker.run()
        except Exception as error:
            self.errors.append(error)

    def feed(self) -> Feed:
        self.dispatcher.reference(say=lambda text: None)
        return Feed(self.dispatcher, self.task.arrays(), 5, hashed=True)

    def drained(self) -> dict[str, list[dict[str, Any]]]:
        feed = self.feed()
        for _ in feed.all():
            pass
        return feed.audit()

    def close(self) -> None:
        while self.strangers:  # left open by a test that failed, they would fail the next as well
            self.strangers[-1].close()
        self.dispatcher.close(done=True, reason="the test is over")
        while self.workers:
            worker, thread = self.workers.pop()
            thread.join(0.5)  # FIN ends it, unless it had not joined yet
            if thread.is_alive() and worker not in self.stopped:
                worker.stop()
            thread.join(DEADLINE)
            assert not thread.is_alive()


def assert_clean(audit: dict[str, list[dict[str, Any]]]) -> None:
    for rows in audit.values():
        for row in rows:
            assert row["seen"] == row["expected"]
            assert row["duplicate"] == row["missing"] == 0


class Stranger:
    """Speaks to the dispatcher by hand."""

    def __init__(self, rig: Rig, name: str = "stranger", key: GeneratorKey | None = None) -> None:
        self.name = name
        self.sockets = GeneratorSockets(rig.address, name, wire.MAX_CONTROL_BYTES, key)
        self._all = rig.strangers
        self._all.append(self)

    def say(self, frame: bytes) -> None:
        until(lambda: self.sockets.send(frame))

    def hears(self) -> wire.FromTrainer:
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            frame = self.sockets.receive(0.1)
            if frame is not None and not isinstance(wire.from_trainer(frame), wire.Alive):
                return wire.from_trainer(frame)
        raise AssertionError("heard nothing")

    def answer(self) -> wire.Alive:
        """The next heartbeat of the trainer that answers one of ours."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            frame = self.sockets.receive(0.1)
            message = wire.from_trainer(frame) if frame is not None else None
            if isinstance(message, wire.Alive) and message.lease >= 0:
                return message
        raise AssertionError("heard no answer")

    def joins(self, data: DataSet, listing: bytes = b"") -> wire.Welcome:
        self.say(
            wire.encode(
                wire.Hello(
                    host="far", pid=1, slots=4, libraries=compatibility.libraries(),
                    version=__version__,
                )
            )
        )  # fmt: skip
        welcome = self.hears()
        assert isinstance(welcome, wire.Welcome)
        self.say(
            wire.encode(
                wire.Ready(
                    run=welcome.run, source=welcome.source,
                    fingerprint=data.fingerprint(), classes=data.classes,
                    counts=data.counts(), listing=listing,
                )
            )
        )  # fmt: skip
        self.sockets.open_data(welcome.data_port)
        return welcome

    def close(self) -> None:
        self._all.remove(self)
        self.sockets.close()
