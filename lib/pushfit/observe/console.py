"""The progress that a run shows, and the table at its end.

On a terminal it is a bar that refreshes in place, with a permanent line when something has ended.
Elsewhere (a log file, a CI page, TERM=dumb) it is a few plain lines without control characters.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TextIO

from tqdm import tqdm

from pushfit.observe.audited import unclean, untrained
from pushfit.terminal import steering

TERMINAL_EVERY = 0.2  # seconds between refreshes of the bar
PLAIN_EVERY = 10.0  # seconds between plain lines
BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"


class _Bar(tqdm):  # type: ignore[misc]
    monitor_interval = 0  # without tqdm's thread: we decide when to refresh


# tqdm's default lock is a named semaphore for several processes, which one process does not need.
_Bar.set_lock(threading.RLock())


class Live:
    """Shows the progress of one thing at a time: `begin`, `update` …, `end`. Thread-safe.

    stream: where to write; None: stderr, since stdout is for results.
    every: seconds between updates; None: 0.2 on a terminal and 10 elsewhere.
    clock: gives seconds.
    style: bar, lines, or auto: a bar on a terminal and lines elsewhere.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        every: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        style: str = "auto",
    ) -> None:
        self.stream = stream if stream is not None else sys.stderr
        self._bar_stream = steering(self.stream)
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
        """Begin with `label`. total: number of steps; None: unknown."""
        with self._lock:
            self.close()
            self._label, self._total = label, total
            self._shown = self._clock()
            if self.terminal:
                self._bar = _Bar(
                    desc=label,
                    total=total,
                    file=self._bar_stream,
                    leave=False,
                    bar_format=BAR if total else None,
                    # Without both sizes, tqdm asks the terminal, and draws nothing if that says 0.
                    ncols=_columns(self.stream),
                    nrows=20,
                )

    def due(self) -> bool:
        """Return whether it is time for an `update`, which saves gathering costly facts."""
        return self._clock() - self._shown >= self.every

    def update(self, done: int, facts: str) -> None:
        """Show that `done` steps are done, with `facts`, unless the last update was just now."""
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
        """Write a permanent line, above the bar if there is one."""
        with self._lock:
            if self._bar is not None:
                self._bar.clear()
            self._line(text)
            if self._bar is not None:
                self._bar.refresh()

    def end(self, text: str) -> None:
        """Remove the bar and write `text` in its place."""
        with self._lock:
            self.close()
            self._line(text)

    def close(self) -> None:
        """Remove the bar, if any. Call it in `finally`, since Ctrl-C must not leave half a bar."""
        with self._lock:
            if self._bar is not None:
                self._bar.close()
                self._bar = None

    def _line(self, text: str) -> None:
        self.stream.write(text + "\n")
        self.stream.flush()


def _columns(stream: TextIO) -> int:
    """The terminal's present width; 80 if it reports none (`docker run -t`, `script`, CI)."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def fleet(figures: Mapping[str, float]) -> str:
    """The figures of `observe.metrics.Recent` in words."""
    flow = "no rate yet"
    if "patches_per_second" in figures:
        rate, stall = figures["patches_per_second"], figures["stall_share"]
        flow = f"{rate:,.0f} patches/s, stall {stall:.0%}"
    if "generators" not in figures:
        return flow
    count = int(figures["generators"])
    return f"{flow}, {count} generator{'' if count == 1 else 's'}"


_NUMBERS = ("expected", "seen", "trained", "duplicate", "missing", "skipped", "bad")


def audit_table(report: Mapping[str, Any], *, became: str = "") -> str:
    """The audit of a run as an aligned table with its verdict, for the end of the output.

    report: as in OUT/report.json, of which `faults`, `ended` and `splits` are read: {split: [
        {"epoch", "expected", "seen", "trained" (only of a training), "duplicate", "missing",
        "skipped" (shown where there are some), "bad", "stream_sha256" (hex, or None if it was not
        computed)}]}
    became: in words, what a program that does not train did with each sample.
    """
    audits = [(split, audit) for split, epochs in report["splits"].items() for audit in epochs]
    if not audits:
        return "No epoch was finished: there is nothing to audit."
    numbers = [name for name in _NUMBERS if name in audits[0][1]]
    if not any(audit.get("skipped", 0) for _, audit in audits):
        numbers = [name for name in numbers if name != "skipped"]
    header = ("split", "epoch", *numbers, "stream sha256")
    rows = [
        (
            split,
            str(audit["epoch"]),
            *(f"{audit.get(key, 0):,}" for key in numbers),
            (audit.get("stream_sha256") or "-")[:16],
        )
        for split, audit in audits
    ]
    ended = report.get("ended", "complete")
    redrawn = report.get("faults", {}).get("redrawn_samples", 0)
    verdict = _verdict(audits, ended, became or "handed to fit and trained on", redrawn)
    return "\n".join([*_aligned([header, *rows]), "", *verdict])


def _verdict(
    audits: Sequence[tuple[str, Mapping[str, Any]]], ended: str, became: str, redrawn: int
) -> list[str]:
    wrong = [
        f"  {split} epoch {audit['epoch']}: {audit['duplicate']:,} duplicate and "
        f"{audit['missing']:,} missing, {audit['seen']:,} seen of {audit['expected']:,}"
        for split, audit in audits
        if unclean(audit)
    ]
    dropped = [
        f"  {split} epoch {audit['epoch']}: {audit['trained']:,} of {audit['seen']:,} samples that "
        "were handed to fit"
        for split, audit in audits
        if untrained(audit)
    ]
    skipped = sum(audit.get("skipped", 0) for _, audit in audits)
    every = "every sample of a whole batch" if skipped else "every sample"
    twice = any(audit["duplicate"] for _, audit in audits)
    if (wrong or dropped) and ended == "interrupted" and not twice:
        lines = ["The run is not over: the missing samples come when it is resumed."]
    elif wrong:
        lines = [f"NOT {every} was {became} exactly once:", *wrong]
    elif dropped:
        lines = [
            "NOT every sample that was handed to fit was trained on:",
            *dropped,
            "The model's own training loop, or its distribution strategy, has left them out.",
        ]
    elif ended == "stopped":
        lines = [f"Up to where training was stopped, {every} was {became} exactly once."]
    else:
        lines = [f"{every.capitalize()} was {became} exactly once."]
    if skipped:
        samples = "1 sample was" if skipped == 1 else f"{skipped:,} samples were"
        lines.append(f"{samples} skipped, as they do not fill a batch (--drop-last).")
    if bad := sum(audit["bad"] for _, audit in audits):
        visits = "1 visit" if bad == 1 else f"{bad:,} visits"
        lines.append(f"{visits} went to a substitute: the record itself is bad.")
    if redrawn:
        samples = "1 sample was" if redrawn == 1 else f"{redrawn:,} samples were"
        lines.append(f"{samples} drawn again, since the task raised at the first try.")
    return lines


def _aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Rows as lines, with the first and last column aligned left, the numbers between right."""
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
