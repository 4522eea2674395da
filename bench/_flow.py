"""How much comes out of a source in a time, and what that costs this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple


class Flow(NamedTuple):
    """What came while the clock ran: how much in all, in how many pieces, seconds, CPU seconds."""

    got: float
    pieces: int
    seconds: float
    cpu: float

    def per_gb(self) -> dict[str, float]:
        """Of a source of bytes: GB a second, and CPU seconds a GB."""
        gb = self.got / 1e9
        return {"gb_s": gb / self.seconds, "cpu_s_per_gb": self.cpu / gb}


def warmed(source: Iterator[float], seconds: float = 0.0, amount: float = 0.0) -> None:
    """Take what comes until both the seconds and the amount have passed, at least one piece."""
    until = time.perf_counter() + seconds
    while True:
        amount -= next(source)
        if amount <= 0 and time.perf_counter() >= until:
            return


def measured(source: Iterator[float], seconds: float) -> Flow:
    """What comes within so many seconds, at least one piece. source: the size of each piece."""
    got, pieces = 0.0, 0
    began, cpu = time.perf_counter(), time.process_time()
    while (spent := time.perf_counter() - began) < seconds or not pieces:
        got += next(source)
        pieces += 1
    return Flow(got, pieces, spent, time.process_time() - cpu)
