"""Ctrl-C, SIGTERM and SIGHUP: the program ends within seconds, whatever its main thread is doing.

Python runs a signal handler in the main thread, between two steps of its interpreter. A main thread
that waits for a batch inside TensorFlow takes no such step. So the number of the signal is also
written to a pipe (`signal.set_wakeup_fd`, by C code and at once), which a thread of ours reads.

- Outside of `fit`, the handler raises KeyboardInterrupt; for a step within `whole`, when that step
  is done. C code can lose this exception and raise another in its place (TensorFlow does so while
  it traces), so any error after the signal counts as the interruption (`pushfit/entry.py`).
- Within `gently`, the handler raises nothing: an exception in the middle of a step or a callback
  would leave the model and the position inconsistent. Instead `interrupted` is set, our thread
  calls `unblock` to end a wait for data, and the loop has to stop at the end of its step.
- A program that does not end within PATIENCE_SECONDS is killed with one line and exit code 130, and
  the kernel ends its local generators with it. `unhurried` suspends this while a model is saved.
- A second Ctrl-C ends the program at once.
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

INTERRUPTED = 130  # the exit code of a program that Ctrl-C ended
PATIENCE_SECONDS = 2.5
ECHO_SECONDS = 0.5  # a second signal within this time is the first one, sent to the group as well
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

interrupted = threading.Event()


def to_obey() -> tuple[signal.Signals, ...]:
    """The signals that end a program; without SIGHUP if it was started to outlive its terminal."""
    kept = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN  # nohup, disown -h
    return tuple(number for number in SIGNALS if not (kept and number == signal.SIGHUP))


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
        self._before = {number: signal.signal(number, self._handle) for number in to_obey()}
        self._thread = threading.Thread(target=self._run, name="signals", daemon=True)
        self._thread.start()

    def _handle(self, number: int, frame: object) -> None:
        interrupted.set()
        if self.unblock is None:
            self.throw()

    def throw(self) -> None:
        """Raise KeyboardInterrupt in the main thread, only once."""
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
            self._end("a second signal arrived")

    def _end(self, why: str) -> None:
        with suppress(OSError):  # a terminal that is gone, a full disk
            os.write(2, f"\nended at once: {why}{self.advice}\n".encode())
        os._exit(INTERRUPTED)

    def look_again(self) -> None:
        """Wake the thread, so that it sees a changed deadline."""
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
    """From now on these signals end the program as described above. Main thread only."""
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
    """End the program without TensorFlow's teardown, which takes seconds and writes nothing."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


@contextmanager
def gently(unblock: Callable[[], None], advice: str) -> Iterator[None]:
    """A context in which signals raise nothing.

    unblock: what our thread calls after a signal, to end a wait of the main thread.
    advice: what is printed if the program is killed before it could save the model.
    """
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
    """A context for a step that must not be interrupted: a signal raises only at its end.

    advice: what is printed if the program is killed within the step.
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
    """A context in which only a second signal ends the program; the deadline starts anew after."""
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
