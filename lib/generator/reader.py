"""Files to come, read on a thread while others are decoded: network storage is slow, not thin.

One thread reads, in the order in which it was asked. A read that hangs (a server that is gone)
keeps its thread for as long as it hangs; when its taker has lost patience, another thread reads on.
There are THREADS at most: where all hang, the next reads wait, and their takers lose patience, too.
They are daemons, so that no hanging read keeps a process from ending.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Set
from concurrent.futures import Future, wait
from queue import SimpleQueue

THREADS = 4
LOOK_SECONDS = 0.1  # between two pauses of who waits for a file

Key = tuple[str, int]  # split, record


class ReadFailed(Exception):
    """The read raised `error`, or did not come back in time (a TimeoutError)."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(repr(error))
        self.error = error


class Reader:
    """`read(key)` on threads of its own: `start` it, `take` its bytes."""

    def __init__(self, read: Callable[[Key], bytes]) -> None:
        self._read = read
        self._jobs: SimpleQueue[tuple[Key, Future[tuple[bytes, float]]] | None] = SimpleQueue()
        self._reads: dict[Key, Future[tuple[bytes, float]]] = {}
        self._threads = 0
        self._hire()

    def _hire(self) -> None:
        if self._threads < THREADS:
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
            except BaseException as error:  # is raised where the bytes are taken
                future.set_exception(error)

    def start(self, key: Key) -> None:
        """Have it read, if that has not been asked for yet."""
        if key not in self._reads:
            self._reads[key] = Future()
            self._jobs.put((key, self._reads[key]))

    def keep(self, keys: Set[Key]) -> None:
        """Forget what was started and is in none of `keys`: nobody will take it."""
        for key in self._reads.keys() - keys:
            self._reads.pop(key).cancel()

    def take(self, key: Key, patience: float, pause: Callable[[], None]) -> tuple[bytes, float]:
        """The bytes and the seconds that reading them took. `pause` is called while it waits.

        Raises ReadFailed, at the latest after `patience` seconds; and whatever `pause` raises.
        """
        self.start(key)
        future = self._reads.pop(key)
        until = time.monotonic() + patience
        while not wait((future,), LOOK_SECONDS).done:
            pause()
            if time.monotonic() > until and not future.done():
                future.cancel()  # unless it hangs itself, but waits behind one that does
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
