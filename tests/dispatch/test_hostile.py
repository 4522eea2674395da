"""Bytes that no generator sends, at either socket: a counter, a name in the log, and no more."""

from __future__ import annotations

import logging
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import zmq

from pushfit import __version__
from pushfit.dispatch.exchange import Exchange
from pushfit.dispatch.roster import KEPT
from pushfit.wire import protocol as wire
from pushfit.wire import sockets as wire_sockets
from pushfit.wire import trainer_sockets
from pushfit.wire.connections import NOBODY, STRIKES
from tests.support.rig import DEADLINE, Rig, Stranger, assert_clean, until
from tests.support.zmtp import GREETING, MORE, connect, ended, frame

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20


@pytest.fixture(autouse=True)
def loud(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="pushfit")


@pytest.fixture
def one(rig: Callable[..., Rig]) -> Rig:
    return rig(epochs=40, silence=10.0)  # peers by hand answer no heartbeat


def ports(one: Rig) -> dict[str, tuple[int, bytes]]:
    return {
        "control": (one.sockets.control_port, b"DEALER"),
        "data": (one.sockets.data_port, b"PUSH"),
    }


def faults(one: Rig) -> dict[str, int]:
    return one.dispatcher.exchange.faults


def works(one: Rig) -> None:
    """The stream goes on as if nothing had been."""
    one.worker()
    assert_clean(one.drained())


@pytest.mark.parametrize("which", ["control", "data"])
def test_a_frame_larger_than_any_of_ours_ends_the_connection_unread(one: Rig, which: str) -> None:
    port, kind = ports(one)[which]
    before = psutil.Process().memory_info().rss
    for size in (10**6 * 17, 2**40, 2**63, 2**64 - 1):
        with connect(port, kind) as peer:
            peer.sendall(frame(b"x" * 1000, size=size))
            assert ended(peer)
    assert psutil.Process().memory_info().rss - before < 40 * MIB
    assert not faults(one)["protocol_errors"]
    works(one)


@pytest.mark.parametrize("which", ["control", "data"])
def test_a_message_that_never_ends_is_cut_off_and_its_sender_named(
    one: Rig, which: str, caplog: pytest.LogCaptureFixture
) -> None:
    port, kind = ports(one)[which]
    limit = (one.sockets.control_connections, one.sockets.data_connections)[which == "data"].limit
    parts = frame(b"x" * 50_000, MORE) * 20
    sent = 0
    with connect(port, kind) as peer:
        name = "{}:{}".format(*peer.getsockname())
        with suppress(OSError):
            while sent < 20 * limit:
                peer.sendall(parts)
                sent += len(parts)
        assert limit < sent < 20 * limit
    until(lambda: faults(one)["disconnected"] == 1)
    until(lambda: any(f"disconnected {name}: it had sent" in line for line in caplog.messages))
    works(one)


def test_messages_of_the_wrong_number_of_parts_are_errors(one: Rig) -> None:
    for which, (port, kind) in ports(one).items():
        before = faults(one)["protocol_errors"]
        with connect(port, kind) as peer:
            for parts in (1, 3, 2000):
                content = [frame(b"x", MORE)] * (parts - 1) + [frame(b"")]
                peer.sendall(b"".join(content))
            until(lambda n=before: faults(one)["protocol_errors"] == n + 3)  # type: ignore[misc]
            assert not faults(one)["disconnected"], which
    works(one)


@pytest.mark.parametrize("which", ["control", "data"])
def test_who_errs_again_and_again_is_disconnected_and_named(
    one: Rig, which: str, caplog: pytest.LogCaptureFixture
) -> None:
    port, kind = ports(one)[which]
    with connect(port, kind, b"evil\x1b[2J") as peer:
        name = "{}:{}".format(*peer.getsockname())
        peer.sendall(frame(b"junk") * (STRIKES - 1))
        until(lambda: faults(one)["protocol_errors"] == STRIKES - 1)
        peer.settimeout(0.3)
        assert not ended(peer)
        peer.settimeout(20)
        peer.sendall(frame(b"junk"))
        assert ended(peer)
    until(lambda: any(f"disconnected {name} after 10 such" in line for line in caplog.messages))
    assert faults(one)["disconnected"] == 1
    assert len(caplog.messages) < 10  # a few of them named, not each
    works(one)


def test_a_peer_that_is_rejected_and_comes_back_for_more_is_disconnected(one: Rig) -> None:
    hello = wire.Hello(host="h", pid=1, slots=1, libraries={}, version="other")
    with connect(one.sockets.control_port) as peer:
        peer.sendall(frame(wire.encode(hello)) * STRIKES)
        assert ended(peer)
    assert faults(one)["rejected"] == STRIKES
    assert not one.dispatcher.exchange.roster.peers  # who never worked is not kept
    works(one)


def test_a_peer_that_never_reads_loses_its_connection_and_costs_no_memory(one: Rig) -> None:
    """It asks for a WELCOME 30,000 times: the answers wait in bounded queues, then are dropped."""
    stranger = Stranger(one, "known")
    stranger.joins(one.task.scan(one.links))
    assert isinstance(stranger.hears(), wire.Grants)
    welcomed = wire.encode(one.dispatcher.exchange.roster.peers["known"].hello)  # type: ignore[arg-type]
    stranger.close()
    before = psutil.Process().memory_info().rss
    with connect(one.sockets.control_port) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with suppress(OSError):
            for _ in range(30):
                peer.sendall(frame(welcomed) * 1000)
        assert psutil.Process().memory_info().rss - before < 60 * MIB
        assert len(one.dispatcher.exchange.roster.peers) <= 2
    works(one)


def test_half_open_connections_end_by_themselves(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_sockets, "HANDSHAKE_MS", 300)
    monkeypatch.setattr(trainer_sockets, "MUTE_SECONDS", 0.5)
    one = rig()
    for said in (b"", GREETING, b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", one.sockets.control_port), 20) as peer:
            peer.sendall(said)
            assert ended(peer)
    with connect(one.sockets.control_port) as mute:
        assert ended(mute)
    until(lambda: faults(one)["failed_handshakes"] >= 3 and faults(one)["disconnected"] >= 2)
    works(one)


@pytest.mark.slow
@pytest.mark.parametrize("count", [10_000])
def test_thousands_of_connections_do_not_stop_the_stream(one: Rig, count: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < count + 500:
        pytest.skip(f"this machine allows {hard} open files a process")
    one.worker()
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.support.zmtp", str(one.sockets.control_port), str(count)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with child:
        try:
            assert child.stdout is not None and child.stdout.readline() == b"open\n"
            until(lambda: faults(one)["protocol_errors"] >= count // 2)
            assert_clean(one.drained())
        finally:
            child.kill()
    until(lambda: len(one.sockets.control_connections) <= 1)
    assert len(one.dispatcher.exchange.roster.peers) <= 1


def test_generators_that_have_gone_are_summed_up(one: Rig) -> None:
    exchange: Exchange = one.dispatcher.exchange
    with one.dispatcher._baton:
        roster = exchange.roster
        for number in range(KEPT + 50):
            hello = wire.Hello(host="h", pid=number, slots=1, libraries={}, version="v")
            peer = roster.hear(f"g{number}", hello, float(number))
            peer.worked_here, peer.patches = True, 2
            roster.gone(peer, number + 1.0)
    rows = roster.report(0.0)
    assert len(roster.peers) == KEPT and len(rows) == KEPT + 1
    assert rows[0]["name"] == "50 earlier ones" and rows[0]["connected_s"] == 50.0
    assert sum(row["patches"] for row in rows) == 2 * (KEPT + 50)


def test_a_first_generator_with_senseless_data_is_rejected_and_does_not_end_the_run(
    rig: Callable[..., Rig],
) -> None:
    one = rig(own=False)
    data = one.task.scan(one.links)
    for counts in ({"val": [1, 1]}, {"train": [2**53, 1]}, {"train": [0, 0]}, {"train": [1]}):
        stranger = Stranger(one)
        stranger.say(
            wire.encode(
                wire.Hello(
                    host="far", pid=1, slots=4,
                    libraries=one.dispatcher.exchange.roster.libraries,
                    version=__version__,
                )
            )
        )  # fmt: skip
        assert isinstance(stranger.hears(), wire.Welcome)
        stranger.say(
            wire.encode(
                wire.Ready(
                    run="run", source="s", fingerprint="f", classes=data.classes, counts=counts
                )
            )
        )
        assert isinstance(stranger.hears(), wire.Reject)
        stranger.close()
    works(one)


def test_a_generator_in_a_long_decode_stays_and_one_that_is_stopped_is_lost(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answers no message for longer than `silence`, but ZeroMQ's thread does for it."""
    one = rig(silence=0.6)
    stranger = Stranger(one)
    stranger.joins(one.task.scan(one.links))
    assert isinstance(stranger.hears(), wire.Grants)
    time.sleep(2.5)
    assert one.dispatcher.exchange.generators == 1 and not faults(one)["generators_lost"]
    stranger.close()
    until(lambda: faults(one)["generators_lost"] == 1)
    started = time.monotonic()
    with connect(one.sockets.control_port) as mute:  # answers no heartbeat: as if stopped
        hello = one.dispatcher.exchange.roster.peers["stranger"].hello
        mute.sendall(frame(wire.encode(hello)))  # type: ignore[arg-type]
        assert ended(mute)
        assert time.monotonic() - started < DEADLINE
    works(one)


def test_a_message_whose_sender_had_broken_off_is_from_nobody(one: Rig) -> None:
    """ZeroMQ then knows no descriptor: found by chaos, where it ended the run."""
    sockets = one.dispatcher._sockets
    origin = sockets._origin(zmq.Frame(b"x"), data=True)
    assert origin.descriptor == NOBODY
    sockets.data_connections.took(origin, 1)
    assert sockets.strike(origin) == ("?:0", 1)
    sockets.refuse(origin)
    sockets.data_connections.look(emptied=True)
