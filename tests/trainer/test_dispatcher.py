"""Dispatcher and workers over real sockets: the stream, and what must not hurt it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lib import tasks
from lib.errors import DataError, Rejected, StreamClosed
from lib.generator.worker import Worker
from lib.plan.leases import Leases
from lib.plan.order import Plan, SplitOrder
from lib.tasks import identity
from lib.tasks.base import DataSet, Record
from lib.trainer.dispatcher import Dispatcher
from lib.trainer.exchange import Exchange, Job
from lib.trainer.feed import Feed
from lib.trainer.roster import Reference
from lib.wire import protocol as wire
from lib.wire.endpoint import Endpoint
from lib.wire.transport import GeneratorSockets, TrainerSockets
from tests.fakes import NumberParams, NumberTask, write_numbers

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

    def __init__(self, links: Path, *, own: bool = True, epochs: int = 2) -> None:
        self.links, self.task = links, NumberTask(NumberParams())
        self.rows: list[dict[str, Any]] = []
        self.errors: list[Exception] = []
        self.workers: list[tuple[Worker, threading.Thread]] = []
        self.stopped: list[Worker] = []
        self.epochs = epochs
        job = Job(
            run="run", task="number", params={"side": 4}, seed=7, patches=PATCHES,
            heartbeat=0.05, silence=1.0,
        )  # fmt: skip
        sockets = TrainerSockets(Endpoint("127.0.0.1", 0), 0, 10**5, wire.MAX_CONTROL_BYTES)
        self.address = Endpoint("127.0.0.1", sockets.control_port)
        data: DataSet | None = self.task.scan(links) if own else None
        exchange = Exchange(
            sockets, job, self.task.arrays(), self.leases, own_data=data,
            quarantine=lambda row: self.rows.append(dict(row)),
        )  # fmt: skip
        self.dispatcher = Dispatcher(sockets, exchange)
        self.dispatcher.start()

    def leases(self, reference: Reference) -> Leases:
        orders = {
            "train": SplitOrder(tuple(reference.counts["train"]), 3),
            "val": SplitOrder(tuple(reference.counts["val"]), 1, shuffle=False, fresh=False),
        }
        plan = Plan(7, self.epochs, orders, SAMPLE, 4)
        return Leases(plan, budget=100 * SAMPLE, lease_bytes=6 * SAMPLE, silence=1.0)

    def worker(self, links: Path | None = None) -> Worker:
        worker = Worker(self.address, links or self.links)
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
        self.dispatcher.close(done=True, reason="the test is over")
        while self.workers:
            worker, thread = self.workers.pop()
            thread.join(0.5)  # FIN ends it, unless it had not joined yet
            if thread.is_alive() and worker not in self.stopped:
                worker.stop()
            thread.join(DEADLINE)
            assert not thread.is_alive()


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Rig]]:
    monkeypatch.setitem(tasks.TASKS, "number", "tests.fakes:NumberTask")
    links = write_numbers(tmp_path / "data")
    rigs: list[Rig] = []

    def make(**options: Any) -> Rig:
        rigs.append(Rig(links, **options))
        return rigs[-1]

    yield make
    for each in rigs:
        each.close()


def assert_clean(audit: dict[str, list[dict[str, Any]]]) -> None:
    for rows in audit.values():
        for row in rows:
            assert row["seen"] == row["expected"]
            assert row["duplicate"] == row["missing"] == 0


def test_the_stream_is_the_same_for_one_worker_and_for_three(rig: Callable[..., Rig]) -> None:
    audits = []
    for count in (1, 3):
        one = rig()
        for _ in range(count):
            one.worker()
        audits.append(one.drained())
        one.close()
    assert audits[0] == audits[1]
    assert_clean(audits[0])
    assert [row["expected"] for row in audits[0]["train"]] == [36, 36]
    assert audits[0]["train"][0]["stream_sha256"] != audits[0]["train"][1]["stream_sha256"]
    assert audits[0]["val"][0]["stream_sha256"] == audits[0]["val"][1]["stream_sha256"]


def test_a_trainer_without_data_takes_that_of_the_first_generator(rig: Callable[..., Rig]) -> None:
    with_data, without = rig(), rig(own=False)
    with_data.worker()
    without.worker()
    assert without.drained() == with_data.drained()


def test_a_worker_may_leave_and_another_come_in_the_middle(rig: Callable[..., Rig]) -> None:
    calm, wild = rig(epochs=4), rig(epochs=4)
    calm.worker()
    first = wild.worker()
    feed = wild.feed()
    for number, _ in enumerate(feed.all()):
        if number == 2:
            first.stop()
            wild.stopped.append(first)
            wild.worker()
    assert feed.audit() == calm.drained()


def test_training_and_validation_may_be_pulled_by_two_threads_that_read_ahead(
    rig: Callable[..., Rig],
) -> None:
    one = rig()
    one.worker()
    feed = one.feed()
    seen: dict[str, list[tuple[int, int]]] = {"train": [], "val": []}

    def pull(split: str) -> None:
        for batch in feed.batches(split):
            assert batch.segment.split == split
            seen[split].append((batch.segment.epoch, batch.number))

    threads = [threading.Thread(target=pull, args=(split,)) for split in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert_clean(feed.audit())
    assert seen["train"] == [(epoch, n) for epoch in (0, 1) for n in range(feed.steps("train"))]
    assert seen["val"] == [(0, 0), (1, 0)]


def test_the_first_batch_can_be_looked_at_and_is_handed_on(rig: Callable[..., Rig]) -> None:
    one = rig()
    one.worker()
    feed = one.feed()
    first = feed.first()
    assert next(feed.batches("train")) is first
    for _ in feed.all():
        pass
    assert_clean(feed.audit())


def test_bad_records_are_listed_once_an_epoch_and_replaced(rig: Callable[..., Rig]) -> None:
    one = rig()
    (one.links / "train/odd/003.txt").write_text("bad")
    other = rig()  # scanned anew: the size of the file is part of the fingerprint
    other.worker()
    audit = other.drained()
    assert_clean(audit)
    assert [row["bad"] for row in audit["train"]] == [1, 1]
    assert [(row["path"], row["reason"], row["epoch"]) for row in other.rows] == [
        ("train/odd/003.txt", "it says so itself", epoch) for epoch in (0, 1)
    ]


def test_a_file_that_cannot_be_read_is_tried_three_times_and_replaced(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(self: NumberTask, links: Path, record: Record) -> bytes:
        if record.path == "train/odd/009.txt":
            raise FileNotFoundError(2, "No such file or directory")
        return (links / record.path).read_bytes()

    monkeypatch.setattr(NumberTask, "read", read)
    one = rig()
    one.worker()
    audit = one.drained()
    assert_clean(audit)
    assert one.dispatcher.exchange.faults["unreadable"] >= 3
    assert {row["path"] for row in one.rows} == {"train/odd/009.txt"}


def test_a_class_of_bad_records_ends_the_run_with_its_reason(rig: Callable[..., Rig]) -> None:
    links = rig().links
    for path in (links / "train/odd").iterdir():
        path.write_text("bad")
    one = rig()
    one.worker()
    with pytest.raises(DataError, match="every record of class odd"):
        one.drained()


def test_other_data_is_rejected_on_both_sides_with_what_differs(
    rig: Callable[..., Rig], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = write_numbers(tmp_path / "other", train=11)
    (other / "val/even/000.txt").write_text("12345")
    one = rig()
    one.worker(other)
    until(lambda: bool(one.errors))
    assert isinstance(one.errors[0], Rejected)
    for text in (str(one.errors[0]), caplog.text):
        assert "15 records in this run, 14 there" in text
        assert "1 missing, first train/odd/011.txt" in text
        assert "1 of another size, first val/even/000.txt" in text


def test_other_library_versions_are_rejected_with_the_command_that_mends_it(
    rig: Callable[..., Rig],
) -> None:
    one = rig()
    one.dispatcher.exchange.roster.libraries = {**identity.libraries(), "numpy": "9.9"}
    one.worker()
    until(lambda: bool(one.errors))
    assert "pip install numpy==9.9" in str(one.errors[0])
    assert "numpy" in str(one.errors[0])


def test_other_source_code_is_rejected(rig: Callable[..., Rig]) -> None:
    one = rig()
    one.dispatcher.exchange.roster.source = "0" * 16
    one.worker()
    until(lambda: bool(one.errors))
    assert "check out the same version" in str(one.errors[0])


# -- a peer that does not keep to the protocol ---------------------------------------------------


class Stranger:
    """Speaks to the dispatcher by hand."""

    def __init__(self, rig: Rig, name: str = "stranger") -> None:
        self.sockets = GeneratorSockets(rig.address, name, wire.MAX_CONTROL_BYTES)

    def say(self, frame: bytes) -> None:
        until(lambda: self.sockets.send(frame))

    def hears(self) -> wire.FromTrainer:
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            frame = self.sockets.receive(0.1)
            if frame is not None and not isinstance(wire.from_trainer(frame), wire.Alive):
                return wire.from_trainer(frame)
        raise AssertionError("heard nothing")

    def joins(self, data: DataSet, listing: bytes = b"") -> wire.Welcome:
        self.say(
            wire.encode(
                wire.Hello(
                    host="far", pid=1, slots=4, libraries=identity.libraries(),
                    source=identity.source_hash(),
                )
            )
        )  # fmt: skip
        welcome = self.hears()
        assert isinstance(welcome, wire.Welcome)
        self.say(
            wire.encode(
                wire.Ready(
                    run=welcome.run, fingerprint=data.fingerprint(), classes=data.classes,
                    counts=data.counts(), listing=listing,
                )
            )
        )  # fmt: skip
        self.sockets.open_data(welcome.data_port)
        return welcome


def test_garbage_at_either_socket_costs_a_counter(rig: Callable[..., Rig]) -> None:
    one = rig()
    stranger = Stranger(one)
    stranger.say(b"\xff nonsense")
    assert isinstance(stranger.hears(), wire.Reset)
    stranger.say(wire.encode(wire.Heartbeat(run="run")))  # nobody said hello
    assert isinstance(stranger.hears(), wire.Reset)
    stranger.joins(one.task.scan(one.links))
    arrays = [memoryview(bytes(8))]
    specs = one.task.arrays()
    fields: dict[str, Any] = {
        "run": "run", "generator": "stranger", "lease": 0, "fence": 1, "first": 0, "count": 1,
        "arrays": specs, "stages": wire.Stages(),
    }  # fmt: skip
    frames = [b"nonsense"]
    frames += [wire.encode(wire.Data(**{**fields, "run": "another"}))]
    frames += [wire.encode(wire.Data(**{**fields, "lease": 999}))]
    frames += [wire.encode(wire.Data(**{**fields, "arrays": ()}))]
    for frame in frames:
        until(lambda frame=frame: stranger.sockets.push(frame, arrays, 0.1))  # type: ignore[misc]
    faults = one.dispatcher.exchange.faults
    until(lambda: faults["foreign_run"] == 1 and faults["unknown"] == 1)
    until(lambda: faults["protocol_errors"] >= 4)
    stranger.sockets.close()
    one.worker()
    assert_clean(one.drained())


def test_a_listing_that_does_not_unpack_is_answered_with_reset(rig: Callable[..., Rig]) -> None:
    one = rig(own=False)
    stranger = Stranger(one)
    data = one.task.scan(one.links)
    stranger.joins(msgspec.structs.replace(data, classes=("x", "y")), listing=b"nonsense")
    assert isinstance(stranger.hears(), wire.Reset)
    stranger.sockets.close()
    one.worker()
    assert_clean(one.drained())


def test_a_silent_generator_loses_its_leases_and_its_late_result_is_dropped(
    rig: Callable[..., Rig],
) -> None:
    one = rig()
    stranger = Stranger(one)
    stranger.joins(one.task.scan(one.links))
    granted = stranger.hears()
    assert isinstance(granted, wire.Lease)
    one.worker()
    audit = one.drained()  # the worker makes what the stranger sits on
    assert_clean(audit)
    assert one.dispatcher.exchange.faults["lease_silent"] >= 1
    stranger.sockets.close()


def test_waiting_says_for_what(rig: Callable[..., Rig]) -> None:
    one = rig()
    assert "no generator is connected" in one.dispatcher.exchange.explain()
    assert f"--connect tcp://THIS-HOST:{one.address.port}" in one.dispatcher.exchange.explain()
    stranger = Stranger(one)
    stranger.joins(one.task.scan(one.links))
    assert isinstance(stranger.hears(), wire.Lease)
    stranger.say(wire.encode(wire.Heartbeat(run="run", doing="train/odd/001.txt")))
    until(lambda: "train/odd/001.txt" in one.dispatcher.exchange.explain())
    assert "lease 0 (train epoch 0, visits 0" in one.dispatcher.exchange.explain()
    assert "far (pid 1)" in one.dispatcher.exchange.explain()
    stranger.sockets.close()


def test_closing_lets_a_waiting_consumer_go(rig: Callable[..., Rig]) -> None:
    one = rig()
    feed = one.feed()
    ended = threading.Event()

    def wait() -> None:
        with pytest.raises(StreamClosed):
            feed.first()
        ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    one.close()
    assert ended.wait(DEADLINE)
    thread.join()


def test_a_report_row_names_each_generator(rig: Callable[..., Rig]) -> None:
    one = rig()
    one.worker()
    one.drained()
    (row,) = one.dispatcher.exchange.roster.report(time.monotonic())
    assert row["patches"] == 2 * (36 + 3)
    assert row["bytes"] == row["patches"] * SAMPLE
    assert msgspec.json.encode(row)
