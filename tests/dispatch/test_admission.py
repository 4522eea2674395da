"""With keys: whoever has none, a foreign one or a revoked one gets nothing in and nothing out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from pushfit.dispatch.exchange import Exchange
from pushfit.wire import protocol as wire
from pushfit.wire.admission import Admission
from pushfit.wire.keys import GeneratorKey, KeyFolder, new_pair, read_secret
from tests.support.rig import Rig, Stranger, assert_clean, until


@pytest.fixture
def folder(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "keys", make=True)


def key_of(folder: KeyFolder, name: str) -> GeneratorKey:
    return read_secret(folder.make(name), GeneratorKey)


@pytest.fixture
def guarded(rig: Callable[..., Rig], folder: KeyFolder) -> Rig:
    return rig(admission=Admission(folder), epochs=40)


def faults(rig: Rig) -> dict[str, int]:
    return rig.dispatcher.exchange.faults


def said(caplog: pytest.LogCaptureFixture, text: str) -> bool:
    return any(text in record.getMessage() for record in caplog.records)


def test_a_fleet_with_keys_makes_the_same_stream_as_one_without(
    rig: Callable[..., Rig], folder: KeyFolder
) -> None:
    guarded, plain = rig(admission=Admission(folder)), rig()
    for name in ("a", "b"):
        guarded.worker(key=key_of(folder, name))
    plain.worker()
    assert guarded.drained() == plain.drained()
    rows = guarded.dispatcher.exchange.roster.report(0.0)
    assert {row["key"] for row in rows} <= {"a", "b"}


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("plain", "admits only generators with a key"),
        ("unlisted", "is not admitted there"),
        ("revoked", "was revoked"),
        ("another trainer's", "not the trainer that the key"),
    ],
)
def test_who_is_not_admitted_gets_nothing_in_and_nothing_out_and_says_why(
    guarded: Rig, folder: KeyFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    kind: str, says: str,
) -> None:  # fmt: skip
    pair = new_pair("x")
    key: GeneratorKey | None = None
    if kind == "unlisted":
        key = GeneratorKey("x", pair.public, pair.secret, folder.trainer.public)
    elif kind == "revoked":
        key = key_of(folder, "x")
        folder.revoke("x")
    elif kind == "another trainer's":
        key = key_of(KeyFolder(tmp_path / "others", make=True), "x")
    heard: list[object] = []
    sockets = guarded.sockets
    receive_control, receive_data = sockets.receive_control, sockets.receive_data
    sockets.receive_control = lambda: _note(heard, receive_control())  # type: ignore[method-assign]
    sockets.receive_data = lambda: _note(heard, receive_data())  # type: ignore[method-assign]

    worker = guarded.worker(key=key)
    until(lambda: said(caplog, says))
    stranger = Stranger(guarded, key=key)
    stranger.sockets.open_data(sockets.data_port)
    until(lambda: bool(stranger.sockets.trouble()))
    assert not stranger.sockets.send(b"hello?")
    assert not stranger.sockets.push(b"header", [memoryview(b"x")], 0.2)
    assert stranger.sockets.receive(0.2) is None
    assert heard == []
    kinds = ("refused_keys",) if kind in ("unlisted", "revoked") else ("failed_handshakes",)
    until(lambda: all(faults(guarded)[name] >= 2 for name in kinds))
    stranger.close()
    worker.stop()
    guarded.stopped.append(worker)


def _note(heard: list[object], received: object) -> object:
    if received is not None:
        heard.append(received)
    return received


def test_a_key_admitted_later_lets_a_waiting_generator_in(
    guarded: Rig, folder: KeyFolder, caplog: pytest.LogCaptureFixture
) -> None:
    key = key_of(folder, "late")
    hidden = folder.path / "hidden"
    (folder.admitted / "late.pub").rename(hidden)
    guarded.worker(key=key)
    until(lambda: said(caplog, "'late' is not admitted there"))
    hidden.rename(folder.admitted / "late.pub")
    assert_clean(guarded.drained())


def test_a_generator_with_a_key_at_a_trainer_without_says_so(
    rig: Callable[..., Rig], folder: KeyFolder, caplog: pytest.LogCaptureFixture
) -> None:
    one = rig()
    worker = one.worker(key=key_of(folder, "a"))
    until(lambda: said(caplog, "or it has no keys") or said(caplog, "it has no keys, and"))
    worker.stop()
    one.stopped.append(worker)


def test_a_generator_whose_key_is_revoked_is_disconnected_and_gets_nothing_more(
    guarded: Rig, folder: KeyFolder, caplog: pytest.LogCaptureFixture
) -> None:
    stays, goes = key_of(folder, "stays"), key_of(folder, "goes")
    stranger = Stranger(guarded, key=goes)
    stranger.joins(guarded.task.scan(guarded.links))
    assert isinstance(stranger.hears(), wire.Grants)
    folder.revoke("goes")
    until(lambda: said(caplog, "the key goes is not admitted any more"))
    until(lambda: "was revoked" in stranger.sockets.trouble())
    assert not stranger.sockets.send(b"x") and faults(guarded)["revoked"] == 1
    until(lambda: not guarded.dispatcher.exchange.generators)
    guarded.worker(key=stays)  # makes what the other held
    assert_clean(guarded.drained())
    stranger.close()


def test_another_key_can_neither_take_over_a_name_nor_send_results_in_it(
    guarded: Rig, folder: KeyFolder, caplog: pytest.LogCaptureFixture
) -> None:
    exchange: Exchange = guarded.dispatcher.exchange
    victim = Stranger(guarded, "victim", key_of(folder, "victim"))
    victim.joins(guarded.task.scan(guarded.links))
    granted = victim.hears()
    assert isinstance(granted, wire.Grants)
    grant = granted.grants[0]
    forger = Stranger(guarded, "forger", key_of(folder, "forger"))
    forger.say(wire.encode(wire.Heartbeat(run="run")))  # let in, on this connection too
    forger.sockets.open_data(guarded.sockets.data_port)
    header = wire.Data(
        run="run", generator="victim", lease=grant.lease, fence=grant.fence, first=grant.first,
        count=len(grant.records), arrays=guarded.task.arrays(), stages=wire.Stages(),
    )  # fmt: skip
    rows = len(grant.records) * 3
    arrays = [memoryview(bytes(rows * 64)), memoryview(bytes(rows * 4))]
    until(lambda: forger.sockets.push(wire.encode(header), arrays, 0.1))
    until(lambda: exchange.faults["impostors"] == 1)
    assert exchange.roster.peers["victim"].leases == 0  # a result that fits, but not from there
    until(lambda: "not admitted" in forger.sockets.trouble())  # its other connection ended as well
    forger.close()

    taker = Stranger(guarded, "victim", key_of(folder, "taker"))
    taker.say(wire.encode(wire.Heartbeat(run="run")))
    until(lambda: exchange.faults["impostors"] == 2)
    assert exchange.roster.peers["victim"].user == "victim"
    assert said(caplog, "it spoke in the name of far (pid 1), which has another key")
    taker.close()
    victim.close()
    guarded.worker(key=key_of(folder, "honest"))
    assert_clean(guarded.drained())


@pytest.fixture(autouse=True)
def loud(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="pushfit")
