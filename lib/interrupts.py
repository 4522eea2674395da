"""Ctrl-C and SIGTERM: the program ends within seconds, whatever its main thread is doing.

Python runs a signal handler in the main thread, between two steps of its interpreter. A main thread
that waits in TensorFlow for a batch takes no such step. So the number of the signal also goes down
a pipe (`signal.set_wakeup_fd`, written in C at once) to a thread of ours.

- Elsewhere than in `fit`, the handler raises KeyboardInterrupt; for what runs `whole`, once it is
  done. C code can lose that exception on its way and fail in its stead, with one of its own
  (TensorFlow does, where it calls Python while it traces): so an error after the signal counts as
  the interruption (`lib/entry.py`).
- Within `gently`, it does not: an exception in the middle of a step or a callback would leave
  model and position at odds. `interrupted` is set, `unblock` is called (by our thread) to end
  a wait for data, and the loop is to stop at the end of its step.
- A program that does not end within PATIENCE_SECONDS is ended: exit code 130, one line, and the
  kernel takes its local generators along. `unhurried` suspends that, for saving.
- A second Ctrl-C ends it at once.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended
PATIENCE_SECONDS = 2.5
ECHO_SECONDS = 0.5  # a signal so soon after the first is the same one, sent to a group as well
SIGNALS = (signal.SIGINT, signal.SIGTERM)

interrupted = threading.Event()


class _Watch:
    """The pipe, the thread that reads it, and the deadline that it keeps."""

    def __init__(self) -> None:
        self.unblock: Callable[[], None] | None = None
        self.raised = False
        self.deadline: float | None = None
        self.unhurried = False
        self.advice = ""
        self._first = 0.0
        self._closing = False
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        self._thread = threading.Thread(target=self._run, name="signals", daemon=True)
        self._thread.start()

    def _handle(self, number: int, frame: object) -> None:
        interrupted.set()
        if self.unblock is None:
            self.throw()

    def throw(self) -> None:
        """Raise KeyboardInterrupt in the main thread; once."""
        if not self.raised:
            self.raised = True
            raise KeyboardInterrupt

    def _run(self) -> None:
        while not self._closing:
            readable, _, _ = select.select([self._read], [], [], self._left())
            now = time.monotonic()
            if readable and set(os.read(self._read, 64)).intersection(SIGNALS):
                self._on_signal(now)
            elif self._left() == 0.0:
                self._end(f"not done within {PATIENCE_SECONDS} s")

    def _left(self) -> float | None:
        if self.deadline is None or self.unhurried:
            return None
        return max(0.0, self.deadline - time.monotonic())

    def _on_signal(self, now: float) -> None:
        if self.deadline is None:
            self._first, self.deadline = now, now + PATIENCE_SECONDS
            interrupted.set()
            if (unblock := self.unblock) is not None:  # the main thread may be taking it back
                unblock()
        elif now - self._first > ECHO_SECONDS:
            self._end("told to a second time")

    def _end(self, why: str) -> None:
        os.write(2, f"\nended at once: {why}{self.advice}\n".encode())
        os._exit(INTERRUPTED)

    def look_again(self) -> None:
        """Have the thread see a changed deadline."""
        os.write(self._write, b"\0")

    def close(self) -> None:
        self._closing = True
        self.look_again()
        self._thread.join()
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._read)
        os.close(self._write)


_watch: _Watch | None = None


def end_on_signals() -> None:
    """From now on Ctrl-C and SIGTERM end the program as described above. Main thread only."""
    global _watch
    if _watch is None:
        interrupted.clear()
        _watch = _Watch()


def leave_signals() -> None:
    """Undo `end_on_signals`, unless the program is being ended and may still need its deadline."""
    global _watch
    if _watch is not None and not interrupted.is_set():
        _watch.close()
        _watch = None


def end_now(code: int) -> NoReturn:
    """End the program, all being written: TensorFlow's own teardown takes seconds, for nothing."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


@contextmanager
def gently(unblock: Callable[[], None], advice: str) -> Iterator[None]:
    """Within, a signal raises nothing. `advice`: what to tell who is left without a saved model."""
    watch = _watch
    if watch is None:
        yield
        return
    watch.unblock, watch.advice = unblock, advice
    try:
        if interrupted.is_set():
            watch.throw()
        yield
    finally:
        watch.unblock = None


@contextmanager
def whole(advice: str) -> Iterator[None]:
    """Within, a signal raises nothing; at the end it does. For a step that must not be cut in two.

    `advice`: as in `gently`.
    """
    watch = _watch
    if watch is None:
        yield
        return
    with gently(lambda: None, advice):
        yield
    if interrupted.is_set():
        watch.throw()


@contextmanager
def unhurried() -> Iterator[None]:
    """Within, nothing but a second signal ends the program early; then it has its seconds again."""
    watch = _watch
    if watch is None:
        yield
        return
    watch.unhurried = True
    watch.look_again()
    try:
        yield
    finally:
        watch.unhurried = False
        if watch.deadline is not None:
            watch.deadline = time.monotonic() + PATIENCE_SECONDS
        watch.look_again()
