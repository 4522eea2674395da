"""Ctrl-C and SIGTERM end a bench by KeyboardInterrupt, so that it ends what it has started."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

AGAIN_SECONDS = 1.0


@contextmanager
def by_signals() -> Iterator[None]:
    """A context that SIGINT and SIGTERM leave by KeyboardInterrupt. Main thread only.

    Python drops an exception that is raised in some places (in `__del__`, in what it calls around a
    fork), so it is raised every AGAIN_SECONDS until it is being handled.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> None:
    signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
    if not _handled(sys.exc_info()[1]):
        raise KeyboardInterrupt


def _handled(error: BaseException | None) -> bool:
    """Whether a KeyboardInterrupt is being handled: `error`, or one that led to it."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False
