"""Ends this process when its user's code hangs: the lease is lost to it, but the core is not.

- The worker says `moved` between patches. A thread looks from time to time; when nothing moved for
  `expiry`, it names the lease and the file, has `faulthandler` show where every thread stands, and
  ends the process. A supervisor starts another.
- Code that hangs in C and keeps the GIL stops that thread as well. So each look winds up
  faulthandler's own timer, which needs no GIL and ends the process after BACKSTOP times `expiry`.
- Looks are counted, not seconds: a process that was stopped (Ctrl-Z, SIGSTOP, a frozen container)
  and goes on is not stuck, unless it was away for longer than the backstop.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import threading

LOOKS = 20  # in an expiry; at least one a second
BACKSTOP = 3.0
STUCK = 1  # exit code: a supervisor starts another

log = logging.getLogger("pushfit.generator")


class Watchdog:
    """One a process: faulthandler has one timer. `start` and `stop` it around each session."""

    def __init__(self) -> None:
        faulthandler.enable()  # a crash in C shows where, too
        self._moves = 0
        self._doing = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def moved(self, doing: str) -> None:
        """The worker is not stuck; it is about to work on `doing`."""
        self._moves += 1
        self._doing = doing

    def start(self, expiry: float) -> None:
        self._stop.clear()
        faulthandler.dump_traceback_later(BACKSTOP * expiry, exit=True)
        self._thread = threading.Thread(target=self._run, args=(expiry,), name="watchdog")
        self._thread.daemon = True
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        faulthandler.cancel_dump_traceback_later()

    def _run(self, expiry: float) -> None:
        interval = min(1.0, expiry / LOOKS)
        seen, still = -1, 0
        while not self._stop.wait(interval):
            faulthandler.dump_traceback_later(BACKSTOP * expiry, exit=True)
            moves = self._moves
            seen, still = moves, still + 1 if moves == seen else 0
            if still * interval >= expiry:
                self._end(still * interval)

    def _end(self, seconds: float) -> None:
        log.error(
            "stuck for %.0f s at %s: process %d ends. Where it stood:",
            *(seconds, self._doing or "its first lease", os.getpid()),
        )
        faulthandler.dump_traceback(all_threads=True)
        os._exit(STUCK)
