"""Lines of the log about peers, with a measure: whatever peers do, it does not fill the log.

Each kind of line has a measure a minute of its own, for each key, so that the noise of one hides
none of another. What is left out is summed up in one line when the minute is over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import msgspec

LINES, WINDOW_SECONDS = 10, 60.0  # log lines of a kind in such a time

log = logging.getLogger("pushfit.trainer")


class _Measure(msgspec.Struct):
    """Lines of a kind in this window."""

    level: int
    since: float
    said: int = 0
    left_out: int = 0


class MeasuredLog:
    """`say` lines, and `look` from time to time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[tuple[str, str], _Measure] = {}
        self._most: dict[str, int] = {}

    def here(self, user: str, count: int) -> None:
        """So many generators with the key `user` are at work: each of them may have its lines."""
        self._most[user] = max(count, self._most.get(user, 0))

    def say(self, kind: str, text: str, *, user: str = "", level: int = logging.WARNING) -> None:
        """user: the key of whom it is about. Without keys, all share one measure."""
        self._close((kind, user))
        measure = self._kinds.setdefault((kind, user), _Measure(level, self._clock()))
        measure.said += 1
        if measure.said <= LINES + self._most.get(user, 0):
            log.log(level, "%s", text)
        else:
            measure.left_out += 1

    def look(self) -> None:
        """Sum up what was left out in windows that are over."""
        for key in list(self._kinds):
            self._close(key)

    def _close(self, key: tuple[str, str]) -> None:
        measure = self._kinds.get(key)
        if measure is None or self._clock() - measure.since <= WINDOW_SECONDS:
            return
        del self._kinds[key]
        if measure.left_out:
            kind, user = key
            whose = f" of the key {user}" if user else ""
            log.log(measure.level, "… and %d more like that (%s%s)", measure.left_out, kind, whose)
