"""Decides when people get advice about a stream, and from which figures.

    fleet_load.load ─▶ Adviser ─▶ observe.advisor.advise ─▶ a line of the console, report.json

There is advice at the end of an epoch. Within an epoch there is advice when the limit has changed,
at most every `EVERY_SECONDS`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pushfit.observe.advisor import Advice, Limit, Load, advise, between

EVERY_SECONDS = 30.0


class Adviser:
    """Advice for people (`news`, `epoch`) and for report.json (`report`).

    look: the load so far, at a time in seconds.
    clock: gives seconds.
    """

    def __init__(
        self, look: Callable[[float], Load], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._look, self._clock = look, clock
        self._first: Load | None = None  # the load when the stream began to flow
        self._since: Load | None = None  # the load at the start of the current window
        self._said = Limit.UNKNOWN

    def began(self) -> None:
        """Note that the stream flows. Only the first call has an effect."""
        if self._first is None:
            self._first = self._since = self._look(self._clock())

    def news(self) -> str:
        """Advice if some is due and the limit is not the one that was told last, else ``""``."""
        now = self._clock()
        if self._since is None or now - self._since.now < EVERY_SECONDS:
            return ""
        before, advice = self._said, self._advice(now)
        return advice.sentence if advice.limit not in (before, Limit.UNKNOWN) else ""

    def epoch(self) -> str:
        """Advice at the end of an epoch; ``""`` if the time was too short."""
        advice = self._advice(self._clock())
        return advice.sentence if advice.limit is not Limit.UNKNOWN else ""

    def _advice(self, now: float) -> Advice:
        after = self._look(now)
        advice = advise(between(self._since or after, after))
        if advice.limit is not Limit.UNKNOWN:
            self._since, self._said = after, advice.limit
        return advice

    def report(self) -> dict[str, Any]:
        """The entries of report.json, about the whole time since the stream began to flow."""
        after = self._look(self._clock())
        advice = advise(between(self._first or after, after))
        return {
            "advice": advice.sentence,
            "advice_figures": {"limit": advice.limit.value, **advice.figures},
        }
