"""What a person sees while a run goes on, and when it ends.

On a terminal: one bar that refreshes in place, and a permanent line where something ended. On
anything else (a log file, a CI page, TERM=dumb): plain lines, few of them, no control characters.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TextIO

from tqdm import tqdm

TERMINAL_EVERY = 0.2  # seconds between refreshes of the bar
PLAIN_EVERY = 10.0  # seconds between plain lines
BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"


class _Bar(tqdm):  # type: ignore[misc]
    monitor_interval = 0  # no watcher thread: we refresh on our own clock


# tqdm's own lock is a multiprocessing one, a named semaphore: needless in one process.
_Bar.set_lock(threading.RLock())


class Live:
    """Progress of one thing at a time: `begin`, `update` …, `end`; then the next. Thread-safe.

    stream: where to write, stderr by default, so that stdout stays for results.
    every: seconds between updates; by default 0.2 on a terminal and 10 elsewhere.
    style: bar | lines, or auto for a bar on a terminal and lines elsewhere.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        every: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        style: str = "auto",
    ) -> None:
        self.stream = stream if stream is not None else sys.stderr
        self.terminal = style == "bar" or (
            style == "auto" and self.stream.isatty() and os.environ.get("TERM") != "dumb"
        )
        default = TERMINAL_EVERY if self.terminal else PLAIN_EVERY
        self.every = every if every is not None else default
        self._clock = clock
        self._lock = threading.RLock()
        self._label = ""
        self._total: int | None = None
        self._bar: _Bar | None = None
        self._shown = clock()

    def begin(self, label: str, total: int | None) -> None:
        """Start on `label`, of `total` steps (None: unknown)."""
        with self._lock:
            self.close()
            self._label, self._total = label, total
            self._shown = self._clock()
            if self.terminal:
                self._bar = _Bar(
                    desc=label,
                    total=total,
                    file=self.stream,
                    leave=False,
                    bar_format=BAR if total else None,
                    # Both given, or tqdm asks the terminal, and draws nothing where that says 0.
                    ncols=_columns(self.stream),
                    nrows=20,
                )

    def due(self) -> bool:
        """True when it is time for an `update`: ask first when the facts are costly to gather."""
        return self._clock() - self._shown >= self.every

    def update(self, done: int, facts: str) -> None:
        """Show that `done` steps are done, with `facts`, unless it is too early for that."""
        with self._lock:
            if not self.due():
                return
            self._shown = self._clock()
            if self._bar is not None:
                self._bar.n, self._bar.ncols = done, _columns(self.stream)
                self._bar.set_postfix_str(facts, refresh=False)
                self._bar.refresh()
            elif not self.terminal:
                of = f"/{self._total}" if self._total else ""
                self._line(f"{self._label}: {done}{of} steps, {facts}")

    def say(self, text: str) -> None:
        """Write a permanent line, above the bar where there is one."""
        with self._lock:
            if self._bar is not None:
                self._bar.clear()
            self._line(text)
            if self._bar is not None:
                self._bar.refresh()

    def end(self, text: str) -> None:
        """Take the bar away and leave `text` in its place."""
        with self._lock:
            self.close()
            self._line(text)

    def close(self) -> None:
        """Take the bar away. For `finally`: Ctrl-C must not leave half a bar. Idempotent."""
        with self._lock:
            if self._bar is not None:
                self._bar.close()
                self._bar = None

    def _line(self, text: str) -> None:
        self.stream.write(text + "\n")
        self.stream.flush()


def _columns(stream: TextIO) -> int:
    """The terminal's width now, or 80 where it reports none (`docker run -t`, `script`, CI)."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def fleet(figures: Mapping[str, float]) -> str:
    """The figures of `observe.metrics.Recent` in words."""
    flow = f"{figures['patches_per_second']:,.0f} patches/s, stall {figures['stall_share']:.0%}"
    if "generators" not in figures:
        return flow
    count = int(figures["generators"])
    return f"{flow}, {count} generator{'' if count == 1 else 's'}"


_NUMBERS = ("expected", "seen", "duplicate", "missing", "bad")


def audit_table(
    report: Mapping[str, Any], *, over: bool = True, became: str = "handed to fit"
) -> str:
    """The audit of a run as an aligned table with its verdict, for the end of the output.

    report: as in OUT/report.json; of it, `splits` is read: {split: [{"epoch" (from 0), "expected",
    "seen", "duplicate", "missing", "bad", "stream_sha256" (hex, or None when not computed)}]}.
    Epochs are shown counted from 1, as in the progress lines. over: the run was not interrupted.
    became: what was done with each sample.
    """
    audits = [(split, audit) for split, epochs in report["splits"].items() for audit in epochs]
    if not audits:
        return "No epoch was finished: there is nothing to audit."
    header = ("split", "epoch", *_NUMBERS, "stream sha256")
    rows = [
        (
            split,
            str(audit["epoch"] + 1),
            *(f"{audit[key]:,}" for key in _NUMBERS),
            (audit.get("stream_sha256") or "-")[:16],
        )
        for split, audit in audits
    ]
    return "\n".join([*_aligned([header, *rows]), "", *_verdict(audits, over, became)])


def is_clean(report: Mapping[str, Any]) -> bool:
    """Whether every epoch of the report saw each of its samples exactly once."""
    return not any(_unclean(audit) for epochs in report["splits"].values() for audit in epochs)


def _unclean(audit: Mapping[str, Any]) -> bool:
    return bool(audit["duplicate"] or audit["missing"] or audit["seen"] != audit["expected"])


def _verdict(audits: Sequence[tuple[str, Mapping[str, Any]]], over: bool, became: str) -> list[str]:
    wrong = [
        f"  {split} epoch {audit['epoch'] + 1}: {audit['duplicate']:,} duplicate and "
        f"{audit['missing']:,} missing, {audit['seen']:,} seen of {audit['expected']:,}"
        for split, audit in audits
        if _unclean(audit)
    ]
    lines = (
        [f"NOT every sample was {became} exactly once:", *wrong]
        if wrong
        else [f"Every sample was {became} exactly once."]
    )
    if wrong and not over and not any(audit["duplicate"] for _, audit in audits):
        lines = ["The run is not over: what is missing comes when it is resumed."]
    if bad := sum(audit["bad"] for _, audit in audits):
        visits = "1 visit" if bad == 1 else f"{bad:,} visits"
        lines.append(f"{visits} went to a substitute: the record itself is bad.")
    return lines


def _aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Rows as lines: the first and the last column to the left, the numbers between to the right"""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    return [
        "  ".join(
            cell.ljust(width) if i in (0, last) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
