"""Output on stdout and stderr: a program never ends because it cannot be written.

`open_streams` replaces both streams by a `Steady`. Writing to one does not raise: if a pipe is
broken, a terminal is gone, a disk is full or a descriptor is closed, the output is dropped, and the
program continues. A character that the terminal's encoding does not have is spelled in ASCII, and
so is each control character, whoever supplied it; a bar that refreshes in place is drawn through
`steering`.

`keep` also writes every line, with date and time, to a file: the log of a run. It has the lines
that nobody could see, too, and those from before it was opened.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, TextIO, cast

from pushfit.text import printable

PATIENCE_SECONDS = 1.0  # how long to wait for a full pipe that does not block
LONGEST = 10_000  # most characters of a line that go into the log
EARLIER = 1000  # most lines that are kept for a log that is opened later
_GONE = frozenset({errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO})  # nobody will ever read
_SPELLED = {
    "…": "...", "—": "-", "–": "-", "·": "-", "×": "x", "µ": "u", "≥": ">=", "≤": "<=", "÷": "/",
    "−": "-", "─": "-", "│": "|", "┌": "+", "┐": "+", "└": "+", "┘": "+", "├": "+", "┤": "+",
    "▶": ">", "◀": "<", "▼": "v", "▲": "^", "→": "->", "█": "#", "“": '"', "”": '"', "’": "'",
}  # fmt: skip


def _spell(error: UnicodeError) -> tuple[str, int]:
    """A codecs error handler: a sign of our own texts becomes a similar one, others a number."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    spelled = "".join(
        _SPELLED.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in text
    )
    return spelled, error.end


codecs.register_error("pushfit", _spell)


class Log:
    """A file of all lines that are shown. A failure is silent; a later line tells the gap."""

    def __init__(self, path: Path) -> None:
        self.path, self._missing = path, 0

    def add(self, line: str, at: float) -> None:
        if self._missing and self._write(f"{self._missing:,} lines are missing here", at):
            self._missing = 0
        if not self._write(line, at):
            self._missing += 1

    def _write(self, line: str, at: float) -> bool:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
        try:
            # The file is opened for each line: if the file system fails for a while, or is mounted
            # again, only the lines of that time are lost.
            with self.path.open("a", encoding="utf-8", errors="surrogateescape") as file:
                file.write(f"{stamp} {line}\n")
        except OSError:
            return False
        return True


class _Lines:
    """The lines that were shown, in the order in which they ended, and the log if it is open."""

    def __init__(self) -> None:
        self.log: Log | None = None
        self._earlier: deque[tuple[str, float]] = deque(maxlen=EARLIER)
        self._lock = threading.Lock()

    def add(self, line: str) -> None:
        if not (line := line.rstrip()):
            return
        with self._lock:
            if self.log is not None:
                self.log.add(line, time.time())
            else:
                self._earlier.append((line, time.time()))

    def keep(self, path: Path) -> None:
        with self._lock:
            self.log = Log(path)
            while self._earlier:
                self.log.add(*self._earlier.popleft())


class Steady(io.TextIOBase):
    """A text stream to a descriptor whose errors never reach the writer.

    lines: where the lines are recorded; None: nowhere.
    steers: control characters pass, since the text is all our own.
    """

    def __init__(
        self,
        descriptor: int,
        encoding: str | None,
        lines: _Lines | None = None,
        *,
        steers: bool = False,
    ) -> None:
        self._descriptor, self._encoding = descriptor, encoding or "utf-8"
        self._lines, self._line, self._steers = lines, "", steers
        self._lock = threading.RLock()
        self.lost: OSError | None = None  # why some output could not be shown
        self._gone = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "pushfit"

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        shown = text if self._steers else printable(text)
        with self._lock:
            self._show(shown.encode(self.encoding, self.errors))
            if self._lines is not None:
                *whole, self._line = (self._line + shown).split("\n")
                for line in whole:
                    self._lines.add(line)
                self._line = self._line[-LONGEST:]
        return len(text)

    def _show(self, data: bytes) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        left = memoryview(data)
        while left and not self._gone:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError as error:
                wait = until - time.monotonic()
                if wait <= 0 or not select.select([], [self._descriptor], [], wait)[1]:
                    self.lost = error
                    return
            except OSError as error:
                self.lost = error
                self._gone = error.errno in _GONE
                return


_lines = _Lines()


def open_streams() -> None:
    """Replace stdout and stderr by a `Steady` each, even if they are closed.

    A closed descriptor gets the null device. Otherwise the next file that is opened would get its
    number, and the output of C code would go into that file.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        before: Any = getattr(sys, name)
        if not isinstance(before, Steady):
            setattr(sys, name, Steady(descriptor, getattr(before, "encoding", None), _lines))


def keep(path: Path) -> None:
    """Write every line that was shown so far, and each from now on, to the file at `path`."""
    _lines.keep(path)


def note(text: str) -> None:
    """Add the lines of `text` to the log without showing them."""
    for line in printable(text).split("\n"):
        _lines.add(line)


def steering(stream: TextIO) -> TextIO:
    """A stream to the descriptor of `stream` that passes control characters, for a progress bar.

    Nothing written to it goes into the log. It must not be given text from others.
    """
    if not isinstance(stream, Steady):
        return stream
    return cast(TextIO, Steady(stream.fileno(), stream.encoding, steers=True))


def unseen(stream: TextIO | None = None) -> OSError | None:
    """Why some output could not be written; None if nothing is missing or a log has it.

    None also if the reader has gone away on purpose: a closed terminal, or a pipe to `head`.
    """
    stream = sys.stdout if stream is None else stream
    if _lines.log is not None or not isinstance(stream, Steady) or stream.lost is None:
        return None
    return None if stream.lost.errno in _GONE else stream.lost
