"""A message when a mapped file is cut short, which would otherwise end the process in silence.

Reading beyond the end of a mapped file raises SIGBUS, which ends a process without a message. No
Python code can continue after it. So the handler, which C calls in the reading thread, finds out
which file has shrunk, names it, and ends the process with the exit code of a user's error.
"""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

EXIT_CODE = 2  # that of a `DataError`

_mapped: dict[int, tuple[Path, int]] = {}  # {number: (path, size when it was mapped)}
_handler = None
_next = 0


def mapped(path: Path, size: int) -> int:
    """Note that `path` is mapped. Returns a number for `unmapped`."""
    global _next, _handler
    if _handler is None:
        _handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(_end)
        ctypes.CDLL(None).signal(int(signal.SIGBUS), _handler)
    _next += 1
    _mapped[_next] = path, size
    return _next


def unmapped(number: int) -> None:
    _mapped.pop(number, None)


def _end(_: int) -> None:
    try:
        shrunk = [str(path) for path, size in _mapped.values() if _size(path) < size]
        which = ", ".join(shrunk) or "a file that is mapped"
        os.write(
            2,
            f"error: {which} was cut short while it was read. If you have a copy of it, put that "
            "back; then resume the run from its last checkpoint with --resume\n".encode(),
        )
    finally:
        os._exit(EXIT_CODE)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # it was removed; the mapping stays valid unless the file was cut before
