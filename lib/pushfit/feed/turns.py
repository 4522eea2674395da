"""Gives turns to the iterators of training and validation, which pull from one sequence.

Back ends read ahead in their own threads. Each thread waits here until the sequence has come to
its split. So no thread reads beyond the end of an epoch, and no batch is lost.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pushfit.feed.positions import Positions

PATIENCE_SECONDS = 60.0  # time without a pulled batch after which a likely deadlock is logged

log = logging.getLogger("pushfit.trainer")


class Turns:
    """Turns over the batches of a run. positions: which batch is pulled next."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        self._condition = threading.Condition()
        self._closed = False
        self._complained = 0.0
        self._until = 0.0  # when the last batch was pulled

    @contextmanager
    def turn(self, split: str) -> Iterator[bool]:
        """Wait for the turn of `split`, and take it: no other thread pulls meanwhile.

        Yields False if no further turn comes, since the run is over or the feed was closed.
        """
        with self._condition:
            current = self._positions.split
            while not self._closed and current is not None and current != split:
                self._condition.wait(1.0)
                current = self._positions.split
                self._complain(split, current)
            mine = not self._closed and current is not None
            yield mine
            if mine:
                self._until = time.monotonic()
                self._condition.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep all threads from pulling."""
        with self._condition:
            yield

    def close(self) -> None:
        """End every wait for a turn."""
        self._closed = True
        with self._condition:
            self._condition.notify_all()

    def _complain(self, split: str, current: str | None) -> None:
        """Log a warning if `split` waits while nobody takes the batches of `current`."""
        now = time.monotonic()
        if current in (None, split) or not self._until:
            return
        if now - max(self._until, self._complained) > PATIENCE_SECONDS:
            self._complained = now
            log.warning(
                "%s waits for its next batch, but the next batch of the run is one of %s, and none "
                "was taken for %.0f s: does the training loop validate after every epoch?",
                *(split, current, now - self._until),
            )
