"""Atomic writing of files: everything that PushFit writes as a whole goes through here.

A file is written beside its destination, flushed to the disk and renamed over it. So at any moment,
even after a power cut, the destination is either the whole old file or the whole new one. Whatever
goes wrong becomes an OutputError that names the file, and the temporary file is removed.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pushfit import container
from pushfit.errors import OutputError

LONGEST = 120  # bytes of a name kept in the temporary name; file systems allow 255 in all
_REMEDY = {
    errno.ENOSPC: "the disk is full: free some space, or choose another folder with --out",
    errno.EDQUOT: "your disk quota is used up: free some space, or choose another --out",
    errno.EROFS: "the file system is read-only: choose a writable folder with --out",
    errno.EACCES: "you may not write there: change its permissions, or choose another --out",
    errno.EPERM: "you may not write there: change its permissions, or choose another --out",
    errno.ENOENT: "the folder is gone: was it deleted or unmounted during the run?",
    errno.ENOTDIR: "a part of the path is a file, not a folder: choose another --out",
    errno.ENAMETOOLONG: "the name is too long for this file system: choose a shorter one",
    errno.EIO: "the disk reports an I/O error: check it, and choose another --out",
}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path with the folder and suffix of `path`; at the end it replaces `path`.

    After any exception `path` is unchanged and the temporary file is removed. An OSError becomes
    an OutputError, and so does an exception that was raised while an OSError was handled (h5py
    turns a full disk into a RuntimeError). Other exceptions pass.
    """
    temporary = path.with_name(f".{_short(path.name)}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    except Exception as error:
        cause = _os_error(error)
        if cause is None:
            raise
        raise failure("write", path, cause) from error
    finally:
        with suppress(OSError):  # if the folder cannot be reached, the failure above says so
            temporary.unlink(missing_ok=True)


@contextmanager
def making(folder: Path) -> Iterator[Path]:
    """Yield an empty temporary folder to fill, beside `folder`; at the end it is renamed to that.

    After an interruption there is no `folder`. An OSError becomes an OutputError.
    """
    try:
        folder = folder.resolve()  # "." has no name
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{_short(folder.name)}-", dir=folder.parent
        ) as beside:
            unfinished = Path(beside) / folder.name
            unfinished.mkdir()
            yield unfinished
            unfinished.rename(folder)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot write it: {error.strerror or error}; "
            "correct this, or choose another folder with --out"
        ) from error


def _short(name: str) -> str:
    """`name`, cut so that a temporary name made of it is not too long for the file system."""
    return name.encode()[:LONGEST].decode(errors="ignore")


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of processes that were killed while writing. Raises OutputError."""
    for path in folder.glob(".*.tmp*"):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise failure("remove", path, error) from error


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk: a rename may reach the disk before the content."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_full(error: BaseException) -> bool:
    """Return whether the cause of `error` is a full disk or a used-up quota."""
    cause = _os_error(error)
    return cause is not None and cause.errno in (errno.ENOSPC, errno.EDQUOT)


def _os_error(error: BaseException | None) -> OSError | None:
    """The OSError that caused `error`; None: another kind of exception did."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, OSError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def failure(action: str, path: Path, error: OSError) -> OutputError:
    """The OutputError for an OSError. action: what could not be done with `path`, as a verb."""
    # h5py raises OSError without an errno, but with the number in its text ("errno = 28, …").
    number = error.errno
    if number is None:
        text = str(error)
        number = next((n for n in _REMEDY if f"errno = {n}," in text), None)
    reason = os.strerror(number) if number is not None else str(error)
    remedy = _REMEDY.get(number or 0, "check the folder, or choose another with --out")
    if number in (errno.EROFS, errno.EACCES):
        remedy += container.volume(path.parent)
    return OutputError(f"cannot {action} {path} ({reason}): {remedy}")
