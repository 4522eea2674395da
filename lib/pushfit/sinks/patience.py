"""A full disk does not end a sink that has stored for hours: it says so, waits, and goes on."""

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
    """paused: seconds that were spent waiting for room."""

    def __init__(self) -> None:
        self.paused = 0.0

    def __call__(self, write: Callable[[], None]) -> None:
        """Call `write` until there is room. Raises OutputError for all else that goes wrong.

        Generators are kept meanwhile, idle. Ctrl-C ends the wait.
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
                    log.warning("paused: %s. It goes on by itself when there is room", error)
            time.sleep(AGAIN_SECONDS)
        if began:
            self.paused += time.monotonic() - began
            log.warning("there is room again: going on after %.0f s", time.monotonic() - began)
