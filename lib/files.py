"""The one way in which files get onto the disk.

A file is written beside its destination, flushed to the disk and renamed over it, so that at every
moment, a power cut included, the destination is either the whole old file or the whole new one.
Whatever goes wrong on the way becomes an OutputError that names the file, and the temporary file
goes away.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lib import container
from lib.errors import OutputError

_REMEDY = {
    errno.ENOSPC: "the disk is full: free some space, or choose another folder with --out",
    errno.EDQUOT: "your disk quota is used up: free some space, or choose another --out",
    errno.EROFS: "the file system is read-only: choose a writable folder with --out",
    errno.EACCES: "you may not write there: change its permissions, or choose another --out",
    errno.EPERM: "you may not write there: change its permissions, or choose another --out",
    errno.ENOENT: "the folder is gone: was it deleted or unmounted during the run?",
    errno.ENOTDIR: "a part of the path is a file, not a folder: choose another --out",
    errno.EIO: "the disk reports an I/O error: check it, and choose another --out",
}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write to, in the folder and with the suffix of `path`; then take its place.

    On any exception `path` stays as it was and the temporary file is removed. An OSError, or an
    exception raised while one was handled (h5py turns a full disk into a RuntimeError), becomes an
    OutputError; others pass.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
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
    """Yield an empty folder to fill, beside `folder`; when it is whole it gets that name.

    An interruption leaves no `folder` behind. An OSError becomes an OutputError.
    """
    try:
        folder = folder.resolve()  # "." has no name
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as beside:
            unfinished = Path(beside) / folder.name
            unfinished.mkdir()
            yield unfinished
            unfinished.rename(folder)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot write it: {error.strerror or error}; "
            "free or allow this place, or name another with --out"
        ) from error


def remove_leftovers(folder: Path) -> None:
    """Remove what processes that were killed while writing have left. Raises OutputError."""
    for path in folder.glob(".*.tmp*"):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise failure("remove", path, error) from error


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk: a rename without it can survive its own contents."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_full(error: BaseException) -> bool:
    """Whether `error` comes of a disk, or a quota, that has no room left."""
    cause = _os_error(error)
    return cause is not None and cause.errno in (errno.ENOSPC, errno.EDQUOT)


def _os_error(error: BaseException | None) -> OSError | None:
    """The OSError at the bottom of `error`, if there is one."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, OSError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def failure(action: str, path: Path, error: OSError) -> OutputError:
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
