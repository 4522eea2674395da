"""Dispatcher and workers over real sockets: the stream, and who may join."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from pushfit.dispatch import dispatcher
from pushfit.errors import DataError, PushFitError, Rejected, StreamClosed
from pushfit.feed.feed import Idle
from pushfit.generator import worker
from pushfit.tasks import compatibility
from pushfit.tasks.base import Record
from pushfit.wire import protocol as wire
from tests.support.fakes import NumberTask, write_numbers
from tests.support.rig import DEADLINE, SAMPLE, Rig, Stranger, assert_clean, until


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
        ("train/odd/003.txt", "it says so itself", epoch) for epoch in (1, 2)
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
    one.dispatcher.exchange.roster.libraries = {**compatibility.libraries(), "numpy": "9.9"}
    one.worker()
    until(lambda: bool(one.errors))
    assert "pip install numpy==9.9" in str(one.errors[0])
    assert "numpy" in str(one.errors[0])


def test_other_source_code_is_rejected(rig: Callable[..., Rig]) -> None:
    one = rig()
    one.dispatcher.exchange.roster.source = "0" * 16
    one.worker()
    until(lambda: bool(one.errors))
    assert "is not this run's (0000000000000000)" in str(one.errors[0])


def test_another_version_is_told_before_its_source(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = rig()
    one.dispatcher.exchange.roster.source = "0" * 16
    monkeypatch.setattr(worker, "__version__", "9.9")
    one.worker()
    until(lambda: bool(one.errors))
    assert "here, 9.9 there: install the same version on both" in str(one.errors[0])


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


def test_a_file_given_up_is_not_tried_again_in_later_epochs(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def read(self: NumberTask, links: Path, record: Record) -> bytes:
        if record.path == "train/odd/009.txt":
            tries.append(record.path)
            raise OSError(5, "Input/output error")
        return (links / record.path).read_bytes()

    monkeypatch.setattr(NumberTask, "read", read)
    one = rig(epochs=4)
    one.worker()
    assert_clean(one.drained())
    assert len(tries) == 3
    assert [row["epoch"] for row in one.rows] == [1, 2, 3, 4]
    assert {row["reason"] for row in one.rows} == {
        "could not be read on any of 3 tries, the last time: Input/output error"
    }


def test_one_generators_word_does_not_end_the_run(
    rig: Callable[..., Rig], caplog: pytest.LogCaptureFixture
) -> None:
    """To the stranger every record of a class is bad; the worker can make what it cannot."""
    one = rig()
    stranger = Stranger(one)
    stranger.joins(one.task.scan(one.links))
    granted = stranger.hears()
    assert isinstance(granted, wire.Grants)
    other = Stranger(one, "other")  # does nothing yet, but might know better
    other.joins(one.task.scan(one.links))
    until(lambda: one.dispatcher.exchange.generators == 2)
    grant = granted.grants[0]
    stranger.say(
        wire.encode(
            wire.Fail(
                run="run", lease=grant.lease, fence=grant.fence, record=-1, path="",
                reason="every record of class odd is bad", retry=False,
            )
        )
    )  # fmt: skip
    until(lambda: one.dispatcher.exchange.faults["refused"] == 1)
    stranger.close()
    other.close()
    one.worker()
    assert_clean(one.drained())
    said = f"far (pid 1), lease {grant.lease}: every record of class odd is bad; asking another"
    assert said in caplog.text


def test_a_careful_lease_is_announced_record_by_record_and_answered(
    rig: Callable[..., Rig],
) -> None:
    one = rig()
    first, second = Stranger(one, "first"), Stranger(one, "second")
    first.joins(one.task.scan(one.links))
    granted = first.hears()
    assert isinstance(granted, wire.Grants) and not granted.grants[0].careful
    first.close()  # gone without a goodbye
    until(lambda: one.dispatcher.exchange.faults["lease_lost"] > 0)
    second.joins(one.task.scan(one.links))
    again = second.hears()
    assert isinstance(again, wire.Grants)
    grant = next(grant for grant in again.grants if grant.lease == granted.grants[0].lease)
    assert grant.careful
    beat = wire.Heartbeat(run="run", lease=grant.lease, record=grant.records[0], ask=True)
    second.say(wire.encode(beat))
    answer = second.answer()
    assert (answer.lease, answer.record) == (grant.lease, grant.records[0])
    one.worker()
    second.close()
    assert_clean(one.drained())


def test_a_rank_counts_as_gone_if_all_generators_at_work_say_so(rig: Callable[..., Rig]) -> None:
    one = rig()
    exchange = one.dispatcher.exchange
    assert exchange.gone == set()
    first, second = Stranger(one, "first"), Stranger(one, "second")
    for stranger in (first, second):
        stranger.joins(one.task.scan(one.links))
    first.say(wire.encode(wire.Heartbeat(run="run", gone=(1, 2**53))))
    until(lambda: exchange.roster.peers["first"].gone == (1, 2**53))
    assert exchange.gone == set()  # the other one has not said so
    second.say(wire.encode(wire.Heartbeat(run="run", gone=(2, 1))))
    until(lambda: exchange.gone == {1})
    second.say(wire.encode(wire.Heartbeat(run="run")))
    until(lambda: exchange.gone == set())
    first.close()
    second.close()


def test_what_watches_the_consumer_is_called_while_that_is_busy(rig: Callable[..., Rig]) -> None:
    one = rig()
    one.worker()
    feed = one.feed()
    looks: list[Idle | None] = []
    one.dispatcher.watch = lambda now: looks.append(feed.idle)
    batches = feed.batches("train")
    assert feed.idle is None  # none was asked for
    next(batches)
    until(lambda: bool(looks) and looks[-1] is not None)
    first = feed.idle
    assert first is not None
    assert (first.segment.split, first.number, first.handed) == ("train", 0, 1)
    next(batches)
    until(lambda: looks[-1] is not first)
    rest = list(feed.all())
    assert feed.idle is None  # the run has no more
    assert rest[-1].segment.epoch == 1
    one.dispatcher.close(done=True, reason="the run is complete")
    assert looks[-1] is None  # it is called once more at the end


def test_a_defect_of_what_watches_ends_the_run(rig: Callable[..., Rig]) -> None:
    one = rig(epochs=50)  # more than the budget holds, so that the feed waits for some
    one.worker()
    feed = one.feed()

    def fails(now: float) -> None:
        raise ZeroDivisionError

    one.dispatcher.watch = fails
    until(lambda: one.dispatcher.failure is not None)
    with pytest.raises(PushFitError, match="internal error in the exchange: ZeroDivisionError"):
        list(feed.all())


def test_who_did_not_hear_that_the_run_is_over_is_named(
    rig: Callable[..., Rig], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "FAREWELL_SECONDS", 0.5)
    one = rig()
    one.worker()
    one.drained()
    Stranger(one, "busy").joins(one.task.scan(one.links))
    one.dispatcher.close(done=True, reason="the run is complete")
    told = [record.getMessage() for record in caplog.records if "is over" in record.getMessage()]
    assert told == [
        "these generators did not confirm that the run is over, and wait for the next one if they "
        "still work: far (pid 1)"
    ]


def test_data_that_goes_away_and_comes_back_costs_no_record(rig: Callable[..., Rig]) -> None:
    """A share that every host reads from is restarted, a disk unplugged and plugged in again."""
    calm, wild = rig(epochs=20), rig(epochs=20)
    calm.worker()
    audit = calm.drained()
    for _ in range(2):
        wild.worker()
    feed, gone = wild.feed(), wild.links.with_name("gone")
    exchange, told = wild.dispatcher.exchange, list[str]()

    def waiting() -> list[str]:
        return [peer.doing for peer in exchange.roster.waiting()[0] if "waiting" in peer.doing]

    def bring_back() -> None:
        try:
            until(lambda: len(waiting()) == 2)
            told.extend(waiting())
        finally:
            gone.rename(wild.links)

    mended = threading.Thread(target=bring_back)
    for _ in feed.all():
        worked = [peer for peer in exchange.roster.peers.values() if peer.leases]
        if len(worked) == 2 and mended.ident is None:
            wild.links.rename(gone)
            mended.start()
    mended.join()
    assert feed.audit() == audit
    assert wild.rows == [] and not exchange.faults["unreadable"]
    assert len(told) == 2
    assert re.match(r"waiting for its data \(\w+/\w+/\d+.txt: No such file", told[0])


def test_data_that_can_be_listed_but_not_read_is_refused_at_the_start(
    rig: Callable[..., Rig], tmp_path: Path
) -> None:
    one, links = rig(), write_numbers(tmp_path / "shut")
    for path in links.glob("val/*/*.txt"):
        path.unlink()
        path.mkdir()  # root may read whatever its mode is
    one.worker(links)
    one.worker()
    assert_clean(one.drained())
    until(lambda: bool(one.errors))
    (error,) = one.errors
    assert isinstance(error, DataError)
    assert (
        str(error) == f"{links}/val/even/000.txt and other records cannot be read: Is a directory"
    )
