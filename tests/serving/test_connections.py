"""Who may be connected, and who makes room."""

from __future__ import annotations

import logging
import math
import time

import pytest

from pushfit.errors import ConfigError
from pushfit.serving.connections import Connections, Peer, allowed, network_of


def peers(connections: Connections, *hosts: str) -> tuple[list[Peer], list[int]]:
    """One a host, admitted in this order; and the numbers of those that were closed since."""
    closed, all_ = list[int](), list[Peer]()
    for number, host in enumerate(hosts):
        peer = Peer(host, lambda number=number: closed.append(number))  # type: ignore[misc]
        peer.wait(10)
        peer.since = number
        assert connections.admit(peer)
        all_.append(peer)
    return all_, closed


def test_one_more_than_there_may_be_closes_the_one_that_waited_longest() -> None:
    connections = Connections(3, 3)
    (first, *_), closed = peers(connections, "a", "b", "c")
    first.work()
    assert connections.admit(Peer("d", lambda: None))
    assert closed == [1] and len(connections) == 3


def test_of_too_many_from_one_address_one_of_its_own_is_closed() -> None:
    connections = Connections(100, 2)
    _, closed = peers(connections, "b", "a", "a")
    assert connections.admit(Peer("a", lambda: None))
    assert closed == [1]


@pytest.mark.parametrize(("most", "of_one"), [(2, 9), (9, 2)])
def test_nobody_whose_request_is_under_way_makes_room(most: int, of_one: int) -> None:
    connections = Connections(most, of_one)
    all_, closed = peers(connections, "a", "a")
    for peer in all_:
        peer.work()
    assert not connections.admit(Peer("a", lambda: None))
    assert not closed and len(connections) == 2
    connections.leave(all_[0])
    connections.leave(all_[0])
    assert connections.admit(Peer("a", lambda: None))


def test_who_is_waited_for_too_long_is_closed_and_told_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "pushfit.serving")
    connections = Connections(9, 9)
    all_, closed = peers(connections, *"abcd")
    all_[3].work()
    now = time.monotonic()
    connections.look(now + 9)
    assert not closed
    all_[0].wait(100)
    connections.look(now + 11)
    assert sorted(closed) == [1, 2] and len(connections) == 2
    connections.look(now + 200)
    assert closed[2:] == [0] and all_[3].until == math.inf
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert caplog.records[0].fields == {"closed": {"too slow": 2}}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("host", "same"),
    [("10.0.0.1", "::ffff:10.0.0.1"), ("2001:db8::1", "2001:db8:0:0:ffff::9"),
     ("fe80::1%eth0", "fe80::2")],
)  # fmt: skip
def test_what_is_one_address(host: str, same: str) -> None:
    assert network_of(host) == network_of(same)
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")
    assert network_of("10.0.0.1") != network_of("10.0.0.2") and network_of("") == ""


def test_how_many_are_allowed(caplog: pytest.LogCaptureFixture) -> None:
    assert allowed(1024, 128, 2**31) == 1024 and not caplog.records
    assert allowed(1024, 128, 1024) == 640
    assert "at most 640 connections" in caplog.text
    with pytest.raises(ConfigError, match=r"--max-connections 128 must be above --queue 128"):
        allowed(128, 128, 10_000)
    with pytest.raises(ConfigError, match=r"may open 400 files.* to 513 or more"):
        allowed(1024, 128, 400)
