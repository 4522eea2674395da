"""One generator or a few for several trainers: each stream is its own, and nobody is forgotten."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pushfit.endpoint import Endpoint
from pushfit.errors import Rejected
from pushfit.generator.worker import Worker
from pushfit.wire.admission import Admission
from pushfit.wire.keys import GeneratorKey, KeyFolder, read_secret
from tests.support.fakes import write_numbers
from tests.support.rig import DEADLINE, Rig, assert_clean, until

STINT = 0.2  # seconds
LONG = 200  # epochs: on a quick machine several stints of work as well

Audit = dict[str, list[dict[str, Any]]]
Start = Callable[..., Worker]


@pytest.fixture(autouse=True)
def loud(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="pushfit")


@pytest.fixture
def start(rig: Callable[..., Rig], tmp_path: Path) -> Iterator[Start]:
    """start(trainers, place): a worker in a thread, ended with the test; its error is `failed`."""
    threads: list[tuple[Worker, threading.Thread]] = []

    def begin(trainers: Mapping[Endpoint, GeneratorKey | None], place: int = 0) -> Worker:
        worker = Worker(trainers, tmp_path / "data", place=place, stint=STINT)

        def run() -> None:
            try:
                worker.run()
            except Exception as error:
                worker.failed = error  # type: ignore[attr-defined]

        threads.append((worker, threading.Thread(target=run)))
        threads[-1][1].start()
        return worker

    yield begin
    for worker, thread in threads:
        thread.join(0.1)
        if thread.is_alive():
            worker.stop()
        thread.join(DEADLINE)
        assert not thread.is_alive()


def drained(rigs: list[Rig]) -> list[Audit]:
    """What each took, all at the same time; each is closed when it is done."""
    audits: dict[int, Audit] = {}

    def drain(number: int, one: Rig) -> None:
        audits[number] = one.drained()
        one.close()

    threads = [threading.Thread(target=drain, args=pair) for pair in enumerate(rigs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * DEADLINE)
        assert not thread.is_alive()
    return [audits[number] for number in range(len(rigs))]


def alone(rig: Callable[..., Rig], epochs: int) -> Audit:
    one = rig(epochs=epochs)
    one.worker()
    return one.drained()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_three_runs_get_their_own_streams_from_one_fleet(
    rig: Callable[..., Rig], start: Start, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    epochs = [LONG, LONG, LONG // 3]
    rigs = [rig(epochs=each) for each in epochs]
    workers = [start({one.address: None for one in rigs}, place) for place in range(count)]
    audits = drained(rigs)
    calm = alone(rig, LONG)
    for number, audit in zip(epochs, audits, strict=True):
        assert audit == {split: rows[:number] for split, rows in calm.items()}
    until(lambda: all(worker.finished for worker in workers))  # each heard of the end of each
    left = [each.getMessage() for each in caplog.records if "wants generators" in each.getMessage()]
    assert len(left) >= 2 or count > 1  # one alone went round, and did not finish one by one


def test_a_run_without_a_generator_says_that_one_will_come(
    rig: Callable[..., Rig], start: Start
) -> None:
    busy, waiting = rig(epochs=LONG), rig(epochs=2)
    worker = Worker({busy.address: None, waiting.address: None}, busy.links, stint=1e9)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        until(lambda: busy.dispatcher.exchange.generators == 1)
        until(lambda: bool(waiting.dispatcher.exchange.connected()))
        assert waiting.dispatcher.exchange.need.working == 0
        said = waiting.dispatcher.exchange.explain()
        assert "also serve other runs, and will come by turns: 1." in said
        assert_clean(drained([busy])[0])
        assert_clean(drained([waiting])[0])  # it came
    finally:
        worker.stop()
        thread.join(DEADLINE)
    assert worker.finished


def test_a_run_that_it_cannot_serve_is_left_out_and_the_others_go_on(
    rig: Callable[..., Rig], start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fits = rig(epochs=20)
    other = Rig(write_numbers(tmp_path / "other", train=20))
    try:
        worker = start({other.address: None, fits.address: None})
        audit = drained([fits])[0]
        until(lambda: hasattr(worker, "failed"))
    finally:
        other.close()
    assert audit == alone(rig, 20)
    said = [each.getMessage() for each in caplog.records]
    assert any(f"{other.address} is left out, others continue: " in line for line in said)
    error = worker.failed  # type: ignore[attr-defined]
    assert isinstance(error, Rejected) and str(other.address) in str(error)


def test_a_trainer_that_never_came_is_waited_for(rig: Callable[..., Rig], start: Start) -> None:
    here, nowhere = rig(epochs=20), Endpoint("127.0.0.1", 9)
    worker = start({nowhere: None, here.address: None})
    assert_clean(drained([here])[0])
    assert not worker.finished


def test_each_trainer_has_its_key(rig: Callable[..., Rig], start: Start, tmp_path: Path) -> None:
    folders = [KeyFolder(tmp_path / name, make=True) for name in ("a", "b")]
    rigs = [rig(admission=Admission(folder), epochs=30) for folder in folders]
    keys = [read_secret(folder.make("node"), GeneratorKey) for folder in folders]
    worker = start({one.address: key for one, key in zip(rigs, keys, strict=True)})
    for audit in drained(rigs):
        assert_clean(audit)
    until(lambda: worker.finished)
    for one in rigs:
        assert not one.dispatcher.exchange.faults["failed_handshakes"]
