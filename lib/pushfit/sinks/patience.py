"""A wait for room on a full disk, so that it does not end a sink that has stored for hours."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from pushfit.errors import OutputError
from pushfit.files import is_full

AGAIN_SECONDS = 1.0
REMIND_SECONDS = 30.0

log = logging.getLogger("pushfit.sink")


class Patience:
    """Writes, and waits while the disk is full. paused: seconds spent waiting so far."""

    def __init__(self) -> None:
        self.paused = 0.0

    def __call__(self, write: Callable[[], None]) -> None:
        """Call `write` again and again until there is room for what it writes.

        Meanwhile the generators stay connected and idle. Ctrl-C ends the wait.
        Raises OutputError for any other error of `write`.
        """
        began = told = 0.0
        while True:
            try:
                write()
                break
            except OutputError as error:
                if not is_full(error):
                    raise
                now = time.monotonic()
                began = began or now
                if now - told > REMIND_SECONDS or not told:
                    told = now
                    log.warning("paused: %s. It continues by itself when there is room", error)
            time.sleep(AGAIN_SECONDS)
        if began:
            self.paused += time.monotonic() - began
            log.warning("there is room again: continuing after %.0f s", time.monotonic() - began)
