"""A script with a window in it, and a tap: for benches and fault tests.

    python -m bench._watched PROGRESS PACE SCRIPT [FLAGS …]      SCRIPT: sink_zmq.py or train_zmq.py

The script runs as it is, except that

- every LOOK seconds a line goes to the file PROGRESS: seconds (CLOCK_MONOTONIC, the same for all
  processes of a machine), visits granted so far, visits received without a gap so far, resident
  bytes. Visits are counted from the run's first, over all segments: a run that is
  resumed continues to count where it stood.
- what it logs as a warning goes there too, after "! ";
- it takes a batch no more often than every so many seconds as the file PACE says; while there is
  no such file, as fast as they come.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from pushfit.entry import enter
from pushfit.feed.feed import Batch
from pushfit.installation import SCRIPTS
from pushfit.plan.leases import Leases
from pushfit.streams import live

LOOK = 0.02
PAGE = os.sysconf("SC_PAGE_SIZE")


def position(leases: Leases, starts: Sequence[int]) -> tuple[int, int]:
    """(visits granted, visits received without a gap), from another thread than the table's.

    starts: visits before each segment.
    """
    while (at := (leases._segment, leases._visit)) != (leases._segment, leases._visit):
        pass  # the table moved to the next segment between the two
    granted = starts[at[0]] + at[1]
    head = leases.waiting_for
    return granted, starts[head.segment.index] + head.start if head else granted


class Moment(NamedTuple):
    """One line of the file: when, visits granted and received, resident bytes."""

    seconds: float
    granted: int
    received: int
    resident: int

    @classmethod
    def of(cls, line: str) -> Moment:
        seconds, *counts = line.split()
        return cls(float(seconds), *map(int, counts))


class Progress:
    """What the window showed, in full: `moments` in order of time, `warnings` as logged."""

    def __init__(self, path: Path) -> None:
        lines = path.read_text().splitlines()
        self.warnings = [line[2:] for line in lines if line.startswith("! ")]
        self.moments = [Moment.of(line) for line in lines if not line.startswith("! ")]
        self._seconds = [moment.seconds for moment in self.moments]

    def recovery(self, struck: float, counted_from: float) -> float | None:
        """Seconds from `counted_from` until all that was granted at `struck` had been received.

        None when the record ends before that.
        """
        before = bisect_right(self._seconds, struck) - 1
        owed = self.moments[before].granted if before >= 0 else 0
        first = bisect_right(self._seconds, counted_from)
        for moment in self.moments[first:]:
            if moment.received >= owed:
                return moment.seconds - counted_from
        return None


class _Window(logging.Handler):
    """The file, written by a thread of its own and by the log."""

    def __init__(self, path: Path) -> None:
        super().__init__(logging.WARNING)
        self._file = path.open("a", buffering=1)
        self._closing, self._writing = threading.Event(), threading.Lock()
        logging.getLogger("pushfit").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage().encode("unicode_escape").decode()  # one line, whatever is in it
        with self._writing:
            self._file.write(f"! {said}\n")

    def watch(self, leases: Leases) -> None:
        self._thread = threading.Thread(target=self._look, args=(leases,), daemon=True)
        self._thread.start()

    def _look(self, leases: Leases) -> None:
        starts = [0, *accumulate(segment.visits for segment in leases.plan.segments)]
        while not self._closing.wait(LOOK):
            with suppress(RuntimeError):  # the table changed under our eyes
                granted, received = position(leases, starts)
                resident = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
                line = f"{time.monotonic():.3f} {granted} {received} {resident}\n"
                with self._writing:
                    self._file.write(line)

    def shut(self) -> None:
        self._closing.set()
        if hasattr(self, "_thread"):
            self._thread.join()


def _paced(take: Callable[..., Iterable[Batch]], pace: Path) -> Callable[..., Iterator[Batch]]:
    def batches(*args: Any) -> Iterator[Batch]:
        due = 0.0
        for batch in take(*args):
            while (left := due - time.monotonic()) > 0 and pace.exists():
                time.sleep(min(left, 0.1))
            yield batch
            with suppress(OSError, ValueError):
                due = time.monotonic() + float(pace.read_text())

    return batches


COMMANDS = {script: command for command, script in SCRIPTS.items()}


def main(argv: list[str]) -> int | None:
    progress, pace, script, *flags = argv
    window = _Window(Path(progress))

    class Watched(live.LiveStream):
        def __enter__(self) -> Watched:
            super().__enter__()
            for name in ("all", "batches"):
                setattr(self.feed, name, _paced(getattr(self.feed, name), Path(pace)))
            assert self.dispatcher.exchange.leases is not None
            window.watch(self.dispatcher.exchange.leases)
            return self

        def close(self, *, done: bool, reason: str) -> None:
            super().close(done=done, reason=reason)
            window.shut()

    live.LiveStream = Watched  # type: ignore[misc]
    sys.argv = [script, *flags]
    code: int | None = importlib.import_module(f"pushfit.commands.{COMMANDS[script]}").main(flags)
    return code


if __name__ == "__main__":
    enter(main, sys.argv[1:])
