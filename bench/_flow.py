"""How much comes out of a source in a time, and what that costs this process.

On a machine that is busy with other work, nothing may come within the time of a measurement. A side
then goes on until something came; the limit is that of its process. Where a figure would be divided
by nothing all the same, `per` says so in a sentence.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

from pushfit.errors import PushFitError


class Flow(NamedTuple):
    """What came while the clock ran: how much in all, in how many pieces, seconds, CPU seconds."""

    got: float
    pieces: int
    seconds: float
    cpu: float

    def per_gb(self) -> dict[str, float]:
        """Of a source of bytes: GB a second, and CPU seconds a GB."""
        gb = self.got / 1e9
        return {
            "gb_s": per(gb, self.seconds, "seconds"),
            "cpu_s_per_gb": per(self.cpu, gb, "bytes"),
        }


def per(amount: float, measured: float, what: str) -> float:
    """`amount` ÷ `measured`, a number of `what`. Raises PushFitError where that is none."""
    if not measured > 0:
        raise PushFitError(
            f"it measured no {what} within its time, so there is no figure: give it more time, "
            "or a machine that does less beside"
        )
    return amount / measured


def warmed(source: Iterator[float], seconds: float = 0.0, amount: float = 0.0) -> None:
    """Take what comes until both the seconds and the amount have passed, at least one piece."""
    until = time.perf_counter() + seconds
    while True:
        amount -= _next(source)
        if amount <= 0 and time.perf_counter() >= until:
            return


def measured(source: Iterator[float], seconds: float) -> Flow:
    """What comes within so many seconds, and longer while nothing came but pieces of size 0.

    source: the size of each piece. Raises PushFitError where it ends.
    """
    got, pieces = 0.0, 0
    began, cpu = time.perf_counter(), time.process_time()
    while (spent := time.perf_counter() - began) < seconds or not got:
        got += _next(source)
        pieces += 1
    return Flow(got, pieces, spent, time.process_time() - cpu)


def _next(source: Iterator[float]) -> float:
    try:
        return next(source)
    except StopIteration:
        raise PushFitError("what is measured ended before the measurement") from None
