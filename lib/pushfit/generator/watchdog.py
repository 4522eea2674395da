"""Ends this process when user code hangs, so that a supervisor can start another one.

- The generator calls `moved` between samples. A thread checks that from time to time. After
  `expiry` without progress it logs the lease and the file, makes `faulthandler` show the stacks of
  all threads, and ends the process.
- C code that hangs with the GIL stops that thread as well. So each check restarts faulthandler's
  own timer, which needs no GIL and ends the process after BACKSTOP times `expiry`. That shows only
  stack frames, so work on a record runs in a frame that is `named` after it.
- Checks are counted, not seconds: a process that was stopped (Ctrl-Z, SIGSTOP, a frozen container)
  and continues is not stuck, unless it was stopped for longer than the backstop.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from pushfit.text import one_line

LOOKS = 20  # checks in an expiry; there is at least one each second
BACKSTOP = 3.0
STUCK = 1  # the exit code, after which a supervisor starts another process

T = TypeVar("T")

log = logging.getLogger("pushfit.generator")


def _frame(call: Callable[[], Any]) -> Any:
    return call()


def named(name: str, call: Callable[[], T]) -> T:
    """`call()` in a stack frame called `name`, which a trace of a hang or crash in C shows."""
    name = one_line(name)
    code = _frame.__code__.replace(co_name=name, co_qualname=name)
    result: T = FunctionType(code, globals())(call)
    return result


class Watchdog:
    """The watchdog of this process; there can be one, as faulthandler has one timer.

    `start` and `stop` it around each session.
    """

    def __init__(self) -> None:
        faulthandler.enable()  # a crash in C shows the stack as well
        self._moves = 0
        self._doing = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def moved(self, doing: str) -> None:
        """Note that the generator is not stuck. doing: what it works on next."""
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
            "stuck for %.0f s at %s: process %d ends. Its stack:",
            *(seconds, self._doing or "its first lease", os.getpid()),
        )
        faulthandler.dump_traceback(all_threads=True)
        os._exit(STUCK)
