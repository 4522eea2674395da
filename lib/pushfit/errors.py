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
    ├── StreamError        a stream was used in a way that it cannot serve
    ├── StreamTimeout      no batch came within the timeout that the user has set
    └── StreamClosed       the run ended while somebody still waited for a batch
"""

from __future__ import annotations

import errno
import os
import re
import traceback
import unicodedata
from collections.abc import Iterable
from pathlib import Path


class PushFitError(Exception):
    """Root of the tree. A script exits with ``exit_code`` (2: the user can correct the error)."""

    exit_code = 2


class ConfigError(PushFitError):
    """A setting has a value that cannot be used."""


class DataError(PushFitError):
    """The data set cannot be used as it is."""


class BadRecord(DataError):
    """One record does not decode. ``str(error)`` is the reason kept in the quarantine list."""


class TaskError(DataError):
    """A task's code returned something else than the task declares. The data is not to blame."""


class OutputError(PushFitError):
    """The output folder cannot take the run's files."""


class WireError(PushFitError):
    """The connection to a peer failed."""


class ProtocolError(WireError):
    """A peer sent what the protocol does not allow. It is counted, and never ends the trainer."""


class Rejected(WireError):
    """The trainer refuses this generator. Another try fails, too, until something is changed."""

    exit_code = 3


class StreamClosed(PushFitError):
    """The stream was closed while a consumer waited for it."""


class StreamError(PushFitError):
    """A stream was used in a way that it cannot serve: after its end, or twice at once."""


class StreamTimeout(PushFitError):
    """Nothing came for as long as the user lets the stream wait."""


def nearest(word: str, known: Iterable[str]) -> str:
    """``", did you mean 'x'?"`` for the known word nearest to `word`; ``""``: none is near."""
    found = _nearest(word, list(known))
    return f", did you mean {found!r}?" if found else ""


def _nearest(word: str, known: list[str]) -> str:
    """The known word that `word` misspells or abbreviates; ``""``: there is none."""
    plain, plains = _plain(word), {name: _plain(name) for name in known}
    if not plain:
        return ""
    for rule in (
        lambda other: other == plain,
        lambda other: _initials(other) == plain,
        lambda other: len(plain) > 2 and other.startswith(plain),
        lambda other: len(plain) > 3 and plain in other.split("-"),
        lambda other: min(len(plain), len(other)) > 6 and _distance(plain, other) == 1,
        lambda other: len(other) > 3 and other in plain.split("-"),
    ):
        if len(fits := [name for name, other in plains.items() if rule(other)]) == 1:
            return fits[0]
    apart = {name: _distance(plain, other) for name, other in plains.items()}
    best = min(apart, key=lambda name: (apart[name], name), default="")
    allowed = min(len(plain), len(plains.get(best, ""))) // 3
    return best if best and 0 < apart[best] <= min(3, allowed) else ""


def _plain(word: str) -> str:
    return "-".join(re.findall(r"[^\W_]+", word.lower()))


def _initials(word: str) -> str:
    return "".join(part[0] for part in word.split("-") if part)


def _distance(one: str, other: str) -> int:
    """The number of letters to change, add, leave out or swap to turn one word into the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]


def raised(error: BaseException, file: str = "") -> str:
    """``"KeyError: 'x' (mytask.py:12 in sample)"``: the innermost line, in `file` if given."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if frame.filename == file] or frames
    what = " ".join("".join(traceback.format_exception_only(error)).split())[:900]
    if not inside:
        return what
    frame = inside[-1]
    return f"{what} ({Path(frame.filename).name}:{frame.lineno} in {frame.name})"


_MAY_NOT = (
    "this user (uid {uid}) may not read it, or may not enter a folder above it: start the program "
    "as a user who may, or run `chmod a+rX` on the file and on each folder above it"
)
_WHAT_TO_DO = {
    errno.EACCES: _MAY_NOT,
    errno.EPERM: _MAY_NOT,
    errno.ENOENT: "check the path; was it moved, deleted or unmounted?",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "this is a folder, but a file is needed",
    errno.ENAMETOOLONG: "choose a shorter name: most file systems take 255 bytes for each part",
    errno.ELOOP: "its symbolic links lead in a circle: point them to where the data is",
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "your disk quota is used up: free some space",
    errno.EROFS: "the file system is read-only: choose a place that is writable",
    errno.EMFILE: "this process has too many files open: raise its limit, e.g. `ulimit -n 65536`",
    errno.ENFILE: "this machine has too many files open: end other programs",
    errno.ESTALE: "the network share was changed on its server: mount it again",
    errno.EIO: "the disk or the network share reports an error: check it",
}


def trouble(error: OSError) -> str:
    """``"/photos: Permission denied: …"``: which file, what is wrong with it, and what to do."""
    what = os.strerror(error.errno) if error.errno is not None else str(error)
    advice = _WHAT_TO_DO.get(error.errno or 0, "check it").format(uid=os.geteuid())
    return f"{os.fsdecode(error.filename)}: {what}: {advice}" if error.filename else what


def alike(word: str, known: Iterable[str]) -> str:
    """A sentence about a known word that looks like `word` but differs; ``""``: there is none.

    "ö" can be one character (as Linux and Windows write it) or two (as a Mac does), and Unicode
    has spaces of several widths.
    """
    for other in known:
        if other != word and look(other) == look(word):
            return (
                f": it looks like {other!r} and has other characters, {word!a} here and "
                f"{other!a} there (forms of Unicode, or kinds of spaces); rename one of them"
            )
    return ""


def look(word: str) -> str:
    """A form of `word` that is equal for words that look the same."""
    return unicodedata.normalize("NFKC", word).strip()
