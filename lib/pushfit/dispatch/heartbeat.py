"""Tells the fleet that its trainer is alive, and finds out who cannot be told.

- ALIVE goes to a few at each tick, so that no tick is long, however large the fleet.
- In a large fleet each hears it, and says where it is, less often: `BEATS_PER_SECOND` in all.
- It brings what those that stand by, or may go elsewhere, want to know (`wire.Need`).
- Nobody waits for that to find one that was killed: who closed a connection is asked at once, and
  cannot be reached unless it has another.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from pushfit.wire import protocol as wire
from pushfit.wire.transports import TrainerTransport

BEATS_PER_SECOND = 200


class Heartbeats:
    """heartbeat: seconds from one to the next, in a small fleet; tick: between calls of `beat`.

    expiry: a generator that moves nothing for so long is stuck, so it must be heard several times.
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
        self._waiting: list[str] = []  # still to be told in this round
        self._share = 0  # of them, at a tick
        self._next_round = 0.0

    def interval(self, generators: int) -> float:
        """Seconds between two heartbeats of one of so many."""
        return max(self._heartbeat, min(generators / BEATS_PER_SECOND, self._expiry / 4))

    def beat(self, fleet: Callable[[], list[str]], now: float) -> list[str]:
        """Tell those whose turn it is; returns those that cannot be reached. `fleet`: all names."""
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
