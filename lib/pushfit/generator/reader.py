"""Reads files ahead on threads, while others are decoded: network storage has a high latency.

One thread reads, or as many as a task asks for, in the order of the requests. A read that hangs (a
dead server) blocks its thread; after the patience of its taker, a new thread continues. At most
SPARE_THREADS are started for this: if all of them hang, further reads wait, and fail when their
takers lose patience. The threads are daemons, so that a hanging read cannot keep the process alive.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Set
from concurrent.futures import Future, wait
from queue import SimpleQueue

SPARE_THREADS = 3
LOOK_SECONDS = 0.1  # between two calls of `pause` while a file is waited for

Key = tuple[str, int]  # split, record


class ReadFailed(Exception):
    """The read raised `error`, or did not come back in time (a TimeoutError)."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(repr(error))
        self.error = error


class Reader:
    """Runs `read(key)` on threads: `start` a read, then `take` its bytes.

    threads: how many read at once.
    """

    def __init__(self, read: Callable[[Key], bytes], threads: int = 1) -> None:
        self._read, self._most = read, threads + SPARE_THREADS
        self.ahead = 1 + threads  # this many reads keep the threads busy while one is taken
        self._jobs: SimpleQueue[tuple[Key, Future[tuple[bytes, float]]] | None] = SimpleQueue()
        self._reads: dict[Key, Future[tuple[bytes, float]]] = {}
        self._threads = 0
        for _ in range(threads):
            self._hire()

    def _hire(self) -> None:
        if self._threads < self._most:
            self._threads += 1
            threading.Thread(target=self._run, name="reader", daemon=True).start()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            key, future = job
            if not future.set_running_or_notify_cancel():
                continue
            started = time.perf_counter()
            try:
                future.set_result((self._read(key), time.perf_counter() - started))
            except BaseException as error:  # `take` raises it
                future.set_exception(error)

    def start(self, key: Key) -> None:
        """Start to read `key`, unless that was started before."""
        if key not in self._reads:
            self._reads[key] = Future()
            self._jobs.put((key, self._reads[key]))

    def keep(self, keys: Set[Key]) -> None:
        """Forget the reads that are not in `keys`, since nobody will take them."""
        for key in self._reads.keys() - keys:
            self._reads.pop(key).cancel()

    def take(self, key: Key, patience: float, pause: Callable[[], None]) -> tuple[bytes, float]:
        """(the bytes, the seconds that reading them took). It calls `pause` while it waits.

        Raises ReadFailed, after `patience` seconds at the latest, and whatever `pause` raises.
        """
        self.start(key)
        future = self._reads.pop(key)
        until = time.monotonic() + patience
        while not wait((future,), LOOK_SECONDS).done:
            pause()
            if time.monotonic() > until and not future.done():
                future.cancel()  # it may only have waited for another read that hangs
                self._hire()
                raise ReadFailed(TimeoutError(errno.ETIMEDOUT, f"no answer for {patience:g} s"))
        if error := future.exception():
            raise ReadFailed(error)
        return future.result()

    def close(self) -> None:
        """End the threads; one that hangs ends with the process."""
        for future in self._reads.values():
            future.cancel()
        for _ in range(self._threads):
            self._jobs.put(None)
