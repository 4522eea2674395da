"""A limit for log lines about peers, so that peers cannot fill the log.

For each key, each kind of line has its own limit per minute, so that many lines of one kind do not
hide those of another. When the minute is over, one line says how many were left out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import msgspec

LINES, WINDOW_SECONDS = 10, 60.0  # most log lines of a kind in a window of this time

log = logging.getLogger("pushfit.trainer")


class _Measure(msgspec.Struct):
    """The lines of a kind in its present window."""

    level: int
    since: float
    said: int = 0
    left_out: int = 0


class MeasuredLog:
    """The log with these limits. Call `look` from time to time. clock: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[tuple[str, str], _Measure] = {}
        self._most: dict[str, int] = {}

    def here(self, user: str, count: int) -> None:
        """Note that `count` generators with the key `user` work: their limit rises by `count`."""
        self._most[user] = max(count, self._most.get(user, 0))

    def say(self, kind: str, text: str, *, user: str = "", level: int = logging.WARNING) -> None:
        """Log `text`, unless lines of its kind have reached their limit.

        user: the name of the key of the peer that it is about; ``""``: without keys, all peers
            share one limit.
        """
        self._close((kind, user))
        measure = self._kinds.setdefault((kind, user), _Measure(level, self._clock()))
        measure.said += 1
        if measure.said <= LINES + self._most.get(user, 0):
            log.log(level, "%s", text)
        else:
            measure.left_out += 1

    def look(self) -> None:
        """Log how many lines were left out in the windows that are over."""
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
