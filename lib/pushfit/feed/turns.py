"""Whose turn it is: training and validation are pulled by two iterators, from one sequence.

Back ends read ahead in threads of their own. Each thread waits here until the sequence has come to
its split, so nothing is read ahead over the end of an epoch, nor lost.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pushfit.feed.positions import Positions

PATIENCE_SECONDS = 60.0  # without a batch pulled, before a likely deadlock is named

log = logging.getLogger("pushfit.trainer")


class Turns:
    """positions: the batches of the run, of which `at` is pulled next."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        self._condition = threading.Condition()
        self._closed = False
        self._complained = 0.0
        self._until = 0.0  # when the last batch was pulled

    @contextmanager
    def turn(self, split: str) -> Iterator[bool]:
        """Wait for the turn of `split`, and have it: nobody else pulls meanwhile.

        False: there is no further turn, as the run is over or the feed closed.
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
        """Nobody pulls meanwhile."""
        with self._condition:
            yield

    def close(self) -> None:
        """Let whoever still waits go."""
        self._closed = True
        with self._condition:
            self._condition.notify_all()

    def _complain(self, split: str, current: str | None) -> None:
        """Say so when `split` is wanted, it is another's turn, and nobody takes any of that."""
        now = time.monotonic()
        if current in (None, split) or not self._until:
            return
        if now - max(self._until, self._complained) > PATIENCE_SECONDS:
            self._complained = now
            log.warning(
                "%s wants its next batch, but the run stands at %s, of which nothing was taken for "
                "%.0f s: does the training loop validate after every epoch?",
                *(split, current, now - self._until),
            )
