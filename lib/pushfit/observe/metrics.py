"""The speed of the stream: rates over the last seconds, or since the last request for them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

SPAN_SECONDS = 10.0


class Counted(Protocol):
    """The counts of a feed: samples handed on, and seconds for which it waited for the fleet."""

    samples: int
    waited: float


class Recent:
    """Figures over the last `span` seconds; with 0, since the previous call.

    generators: gives the number of connected generators; None if there is no fleet.
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
        """{"patches_per_second", "stall_share" (0 to 1), "generators" if there is a fleet}.

        The first two are left out if no sample came, since there is no rate then.
        """
        now, samples, waited = self._mark()
        self._marks.append((now, samples, waited))
        while len(self._marks) > 2 and now - self._marks[0][0] > self._span:
            self._marks.popleft()
        then, samples_then, waited_then = self._marks[0]
        span = max(now - then, 1e-9)
        count = self._generators()
        rates = {
            "patches_per_second": (samples - samples_then) / span,
            "stall_share": min(1.0, (waited - waited_then) / span),
        }
        return {
            **(rates if samples > samples_then else {}),
            **({} if count is None else {"generators": count}),
        }

    def restart(self) -> None:
        """Count only from now on, without the start-up, such as compiling the model."""
        self._marks.clear()
        self._marks.append(self._mark())
