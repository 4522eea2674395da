"""Who is told that the trainer lives, and who is found to be gone."""

from __future__ import annotations

from collections import Counter

import pytest

from pushfit.dispatch.heartbeat import BEATS_PER_SECOND, Heartbeats
from pushfit.wire import protocol as wire

TICK = 0.1
NEED = wire.Need(3, True)


class Sockets:
    def __init__(self) -> None:
        self.told: Counter[str] = Counter()
        self.closed: list[str] = []
        self.away: set[str] = set()

    def take_closed(self) -> list[str]:
        closed, self.closed = self.closed, []
        return closed

    def send_control(self, name: str, frame: bytes) -> bool:
        assert wire.from_trainer(frame) == wire.Alive(run="r", need=NEED)
        self.told[name] += 1
        return name not in self.away


def heartbeats(sockets: Sockets, heartbeat: float = 1.0) -> Heartbeats:
    return Heartbeats(sockets, "r", heartbeat, 30.0, TICK, lambda: NEED)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 7, 30, 200, 1000])
def test_each_is_told_in_each_interval_and_no_tick_is_long(size: int) -> None:
    sockets, fleet = Sockets(), [f"g{n}" for n in range(size)]
    beating = heartbeats(sockets)
    interval = beating.interval(size)
    rounds = 4
    most = 0
    for tick in range(round(rounds * interval / TICK)):
        before = sockets.told.total()
        assert beating.beat(lambda: fleet, tick * TICK) == []
        most = max(most, sockets.told.total() - before)
    assert set(sockets.told) == set(fleet)
    assert set(sockets.told.values()) <= {rounds - 1, rounds}
    assert most <= max(1, BEATS_PER_SECOND * TICK) + 1


def test_a_large_fleet_beats_less_often_but_often_enough_for_the_expiry() -> None:
    beating = heartbeats(Sockets())
    assert beating.interval(10) == 1.0
    assert beating.interval(1000) == 1000 / BEATS_PER_SECOND
    assert beating.interval(10**6) == 30.0 / 4


def test_who_closed_a_connection_is_asked_at_once() -> None:
    sockets, fleet = Sockets(), [f"g{n}" for n in range(1000)]
    beating = heartbeats(sockets)
    beating.beat(lambda: fleet, 0.0)
    sockets.told.clear()
    sockets.closed = ["g998", "g999", "g999", "stranger"]
    sockets.away = {"g999"}  # g998 has connected again
    assert beating.beat(lambda: fleet, 0.1) == ["g999"]
    assert sockets.told["g998"] == sockets.told["g999"] == 1
    assert "stranger" not in sockets.told


def test_who_left_meanwhile_is_not_told() -> None:
    sockets, fleet = Sockets(), [f"g{n}" for n in range(100)]
    beating = heartbeats(sockets)
    beating.beat(lambda: fleet, 0.0)
    fleet = fleet[:50]
    for tick in range(1, 9):
        beating.beat(lambda: fleet, tick * TICK)
    assert all(sockets.told[f"g{n}"] == 0 for n in range(50, 100))
