"""Every exception that PushFit raises on purpose, in one tree.

Each message says what was wrong, where (host, file, field, value) and what to do about it; the
scripts print the message alone, without a traceback, and exit with ``exit_code``.

    PushFitError
    ├── ConfigError        a setting, flag or environment variable
    ├── DataError          the data set as a whole: no links, no photos, one class
    │   ├── BadRecord      one record that does not decode (never ends a run by itself)
    │   └── TaskError      a task that does not keep to its own interface (ends the run)
    ├── OutputError        the output folder: exists, read-only, full
    ├── WireError
    │   ├── ProtocolError  bytes from a peer that the protocol does not allow
    │   └── Rejected       the trainer refused this generator, with its reason
    └── StreamClosed       the run ended while somebody still waited for a batch
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable
from pathlib import Path


class PushFitError(Exception):
    """Root of the tree. ``exit_code`` is what a script exits with (2: the user can mend it)."""

    exit_code = 2


class ConfigError(PushFitError):
    """A setting has a value that cannot be used."""


class DataError(PushFitError):
    """The data set cannot be used as it is."""


class BadRecord(DataError):
    """One record does not decode. ``str(error)`` is the reason kept in the quarantine list."""


class TaskError(DataError):
    """What a task's code returned is not what the task itself declares: no fault of the data."""


class OutputError(PushFitError):
    """The output folder cannot take the run's files."""


class WireError(PushFitError):
    """Something about the connection to a peer."""


class ProtocolError(WireError):
    """A peer sent what the protocol does not allow; counted, never fatal to the trainer."""


class Rejected(WireError):
    """The trainer will not work with this generator. Not worth trying again unchanged."""

    exit_code = 3


class StreamClosed(PushFitError):
    """The stream was closed while a consumer waited for it."""


def nearest(word: str, known: Iterable[str]) -> str:
    """``", did you mean 'x'?"`` for the known word most like `word`; ``""`` when none is near."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f", did you mean {close[0]!r}?" if close else ""


def raised(error: BaseException, file: str = "") -> str:
    """``"KeyError: 'x' (mytask.py:12 in sample)"``: the deepest line, or the deepest in `file`."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if frame.filename == file] or frames
    what = " ".join("".join(traceback.format_exception_only(error)).split())[:900]
    if not inside:
        return what
    frame = inside[-1]
    return f"{what} ({Path(frame.filename).name}:{frame.lineno} in {frame.name})"
