"""How fast the stream flows: rates over the last seconds, or since they were asked for last."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

SPAN_SECONDS = 10.0


class Counted(Protocol):
    """What a feed counts: samples handed on, seconds waited for the fleet."""

    samples: int
    waited: float


class Recent:
    """Figures over the last `span` seconds; with 0, since the call before.

    `generators()` gives how many are connected; None where there is no fleet.
    """

    def __init__(
        self,
        feed: Counted,
        generators: Callable[[], int | None],
        clock: Callable[[], float] = time.monotonic,
        span: float = SPAN_SECONDS,
    ) -> None:
        self._feed, self._generators, self._clock = feed, generators, clock
        self._span = span
        self._marks: deque[tuple[float, int, float]] = deque([self._mark()])

    def _mark(self) -> tuple[float, int, float]:
        return self._clock(), self._feed.samples, self._feed.waited

    def __call__(self) -> dict[str, float]:
        """patches_per_second, stall_share (0 to 1), and generators where there is a fleet."""
        now, samples, waited = self._mark()
        self._marks.append((now, samples, waited))
        while len(self._marks) > 2 and now - self._marks[0][0] > self._span:
            self._marks.popleft()
        then, samples_then, waited_then = self._marks[0]
        span = max(now - then, 1e-9)
        count = self._generators()
        return {
            "patches_per_second": (samples - samples_then) / span,
            "stall_share": min(1.0, (waited - waited_then) / span),
            **({} if count is None else {"generators": count}),
        }
