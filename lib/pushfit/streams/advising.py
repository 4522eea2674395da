"""What the advisor is told of a stream, and when it speaks.

    fleet_load.load ─▶ Adviser ─▶ observe.advisor.advise ─▶ a line of the console, report.json

It speaks at the end of an epoch, and within one when the limit has become another, at most every
`EVERY_SECONDS`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pushfit.observe.advisor import Advice, Limit, Load, advise, between

EVERY_SECONDS = 30.0


class Adviser:
    """Advice for people, now and then (`news`, `epoch`), and for the report (`whole`)."""

    def __init__(
        self, look: Callable[[float], Load], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._look, self._clock = look, clock
        self._first: Load | None = None  # before it: start-up
        self._since: Load | None = None  # of the window under way
        self._said = Limit.UNKNOWN

    def began(self) -> None:
        """The stream flows. Called as often as one likes."""
        if self._first is None:
            self._first = self._since = self._look(self._clock())

    def news(self) -> str:
        """Advice if it is time for some and the limit is another than was said last, or ``""``."""
        now = self._clock()
        if self._since is None or now - self._since.now < EVERY_SECONDS:
            return ""
        before, advice = self._said, self._advice(now)
        return advice.sentence if advice.limit not in (before, Limit.UNKNOWN) else ""

    def epoch(self) -> str:
        """Advice at the end of an epoch; ``""`` where too little was seen."""
        advice = self._advice(self._clock())
        return advice.sentence if advice.limit is not Limit.UNKNOWN else ""

    def _advice(self, now: float) -> Advice:
        after = self._look(now)
        advice = advise(between(self._since or after, after))
        if advice.limit is not Limit.UNKNOWN:
            self._since, self._said = after, advice.limit
        return advice

    def report(self) -> dict[str, Any]:
        """For report.json: of the whole time since the stream began to flow."""
        after = self._look(self._clock())
        advice = advise(between(self._first or after, after))
        return {
            "advice": advice.sentence,
            "advice_figures": {"limit": advice.limit.value, **advice.figures},
        }
