"""Tells the fleet that its trainer is alive, and finds the generators that cannot be reached.

- Each tick sends ALIVE to a few generators, so that a tick stays short in a large fleet.
- In a large fleet, the trainer and each generator send fewer heartbeats: BEATS_PER_SECOND in all.
- ALIVE carries what a generator that may work for another run wants to know (`wire.Need`).
- A generator of which a connection has closed is sent ALIVE at once. It cannot be reached unless it
  has another connection, so a generator that was killed is found without delay.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from pushfit.wire import protocol as wire
from pushfit.wire.transports import TrainerTransport

BEATS_PER_SECOND = 200


class Heartbeats:
    """The trainer's heartbeats.

    heartbeat: seconds between two heartbeats in a small fleet.
    expiry: seconds without progress after which a generator is stuck; several heartbeats must come
        within this time.
    tick: seconds between two calls of `beat`.
    need: returns what ALIVE says of the run's need of generators.
    """

    def __init__(
        self,
        sockets: TrainerTransport,
        run: str,
        heartbeat: float,
        expiry: float,
        tick: float,
        need: Callable[[], wire.Need],
    ) -> None:
        self._sockets, self._run, self._need = sockets, run, need
        self._heartbeat, self._expiry, self._tick = heartbeat, expiry, tick
        self._waiting: list[str] = []  # generators to reach in this round
        self._share = 0  # how many of them each tick reaches
        self._next_round = 0.0

    def interval(self, generators: int) -> float:
        """Seconds between two heartbeats of each generator in a fleet of so many `generators`."""
        return max(self._heartbeat, min(generators / BEATS_PER_SECOND, self._expiry / 4))

    def beat(self, fleet: Callable[[], list[str]], now: float) -> list[str]:
        """Send ALIVE to those whose turn it is. Returns those that cannot be reached.

        fleet: returns the names of all generators.
        now: monotonic seconds.
        """
        if not self._waiting and now >= self._next_round:
            self._waiting = fleet()
            interval = self.interval(len(self._waiting))
            part = self._tick / interval if interval > self._tick else 1.0
            self._share = math.ceil(len(self._waiting) * part)
            self._next_round = now + interval
        told, self._waiting = self._waiting[: self._share], self._waiting[self._share :]
        closed = self._sockets.take_closed()
        here = set(fleet()) if told or closed else set()
        tell = [name for name in dict.fromkeys((*told, *closed)) if name in here]
        if not tell:
            return []
        alive = wire.encode(wire.Alive(run=self._run, need=self._need()))
        return [name for name in tell if not self._sockets.send_control(name, alive)]
