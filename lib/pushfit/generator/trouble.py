"""Errors of records and leases on this host, and the texts about them for the trainer."""

from __future__ import annotations

import traceback
from typing import NamedTuple

from pushfit.errors import BadRecord, raised
from pushfit.tasks.base import Record

REASON_CHARS, TRACEBACK_CHARS = 1000, 4000  # most that is sent; the wire takes 4096


class Reason(NamedTuple):
    """Why a record is bad, in one line, with a traceback if code raised."""

    text: str
    traceback: str = ""


GIVEN_UP = Reason("found bad earlier in this run: OUT/quarantine.jsonl of the trainer says why")


class Unreadable(Exception):
    """A record cannot be read on this host; another host may be able to."""

    def __init__(self, record: int, path: str, error: BaseException) -> None:
        super().__init__(f"{path}: {trouble(error)}")
        self.record, self.path = record, path


class Away(Exception):
    """No record can be read here, since a share, a disk or a mount is missing. Records are not bad.

    path: one of the records that were tried.
    """

    def __init__(self, path: str, error: BaseException) -> None:
        super().__init__(f"{path}: {trouble(error)}")


class Unmakeable(Exception):
    """The lease cannot be made at all: every record of a class is bad."""


RAISED = (Exception, SystemExit)  # exceptions of user code that the process survives


def judge(error: BaseException, number: int, record: Record) -> Reason:
    """Why `record` is bad. Raises Unreadable if its host is to blame.

    An OSError without a number is not from the system: Pillow raises it for damaged files.
    """
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None):
        raise Unreadable(number, record.path, error) from error
    if isinstance(error, BadRecord):
        return Reason(line(str(error)))
    whole = "".join(traceback.format_exception(error))
    return Reason(line(raised(error)), sendable(whole)[-TRACEBACK_CHARS:])


def line(text: str) -> str:
    """`text` on one line of at most REASON_CHARS characters that UTF-8 can encode."""
    return " ".join(sendable(text).split())[:REASON_CHARS]


def sendable(text: str) -> str:
    """`text` without what UTF-8 cannot encode, since names of files may be any bytes."""
    return text.encode("utf-8", "replace").decode()


def trouble(error: BaseException) -> str:
    """The error in one line, as a person reads it."""
    if isinstance(error, MemoryError):
        return line(f"not enough memory here: {error}").removesuffix(":")
    if isinstance(error, OSError):
        return line(error.strerror or str(error))
    return line(f"it raised {raised(error)}")
