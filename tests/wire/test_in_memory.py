"""The real worker and the real dispatcher, with no socket between them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pushfit import tasks
from pushfit.dispatch.dispatcher import Dispatcher
from pushfit.dispatch.exchange import Exchange
from pushfit.dispatch.job import Job
from pushfit.endpoint import Endpoint
from pushfit.feed.feed import Feed
from pushfit.feed.source import Reference
from pushfit.generator.worker import Worker
from pushfit.plan.leases import Leases
from pushfit.plan.order import Plan, SplitOrder
from pushfit.tasks import compatibility
from pushfit.wire.in_memory import (
    WAITING_LEASES,
    InMemoryGenerator,
    InMemoryGenerators,
    InMemoryTrainer,
)
from tests.support.fakes import NumberParams, NumberTask, write_numbers
from tests.support.rig import DEADLINE, PATCHES, SAMPLE, assert_clean, until

TASK = NumberTask(NumberParams())


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(tasks.TASKS, "number", "tests.support.fakes:NumberTask")
    return write_numbers(tmp_path)


def leases(reference: Reference) -> Leases:
    orders = {
        split: SplitOrder(tuple(reference.counts[split]), patches)
        for split, patches in PATCHES.items()
    }
    return Leases(Plan(7, 2, orders, SAMPLE, 4), budget=100 * SAMPLE, lease_bytes=6 * SAMPLE)


@contextmanager
def running(trainer: InMemoryTrainer, links: Path) -> Iterator[Dispatcher]:
    job = Job(
        run="run", task="number", params={"side": 4}, seed=7, patches=PATCHES, heartbeat=0.05,
        source=compatibility.source_of(TASK),
    )  # fmt: skip
    exchange = Exchange(trainer, job, TASK.arrays(), leases, own_data=TASK.scan(links))
    dispatcher = Dispatcher(trainer, exchange)
    dispatcher.start()
    try:
        yield dispatcher
    finally:
        dispatcher.close(done=True, reason="the test is over")


@contextmanager
def at_work(trainer: InMemoryTrainer, links: Path) -> Iterator[Worker]:
    address = Endpoint("127.0.0.1", trainer.control_port)
    worker = Worker({address: None}, links, transports=InMemoryGenerators(trainer))
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        thread.join(DEADLINE)
        assert not thread.is_alive()


def test_every_sample_comes_once(links: Path) -> None:
    trainer = InMemoryTrainer()
    with at_work(trainer, links) as worker, running(trainer, links) as dispatcher:
        feed = Feed(dispatcher, TASK.arrays(), 5, hashed=True)
        assert sum(1 for _ in feed.all()) == 2 * (8 + 1)
        assert_clean(feed.audit())
    until(lambda: worker.finished)


def test_a_lost_connection_costs_nothing(links: Path) -> None:
    trainer = InMemoryTrainer()
    with at_work(trainer, links) as worker, running(trainer, links) as dispatcher:
        feed = Feed(dispatcher, TASK.arrays(), 5)
        for number, _ in enumerate(feed.all()):
            if number == 3:
                trainer.disconnect(worker.name)
        assert_clean(feed.audit())


def test_what_nobody_takes_holds_up_its_sender() -> None:
    trainer = InMemoryTrainer()
    end = InMemoryGenerator(trainer, "a")
    for _ in range(WAITING_LEASES):
        assert end.push(b"head", [b"array"], 0.0)
    began = time.monotonic()
    assert not end.push(b"head", [b"array"], 0.05) and time.monotonic() - began >= 0.05
    assert trainer.receive_data() is not None
    assert end.push(b"head", [b"array"], 0.0)


def test_what_is_said_to_the_gone_is_told() -> None:
    trainer = InMemoryTrainer()
    end = InMemoryGenerator(trainer, "a")
    assert trainer.send_control("a", b"one") and end.receive() == b"one" and end.receive() is None
    trainer.disconnect("a")
    assert end.broken and not end.send(b"two") and not trainer.send_control("a", b"three")
    assert trainer.take_closed() == ["a"] and trainer.take_closed() == []
    end.settle()
    assert end.send(b"two") and trainer.poll(1.0) == (False, True)
    trainer.close()
    end.settle()
    assert not end.send(b"four")
