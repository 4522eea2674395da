"""What a program needs of its host: a home folder, temporary files, locks, paths as typed.

If something is missing, an error says what to set or to mount.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import logging
import os
import resource
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pushfit.errors import ConfigError, OutputError

APPLICATION = "pushfit"
# The errors of flock on a file system without locks, such as some network shares.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})

log = logging.getLogger("pushfit")


def typed_path(text: str) -> Path:
    """The path that a person typed, with `~` expanded where the shell did not do it.

    Raises ConfigError if there is no such home folder.
    """
    expanded = os.path.expanduser(text)  # noqa: PTH111  # pathlib raises RuntimeError
    if expanded.startswith("~"):
        raise ConfigError(
            f"{text}: this host has no home folder for {text.partition('/')[0]!r}: write "
            f"the whole path, or ./{text} for a folder of that name"
        )
    return Path(expanded)


def resident_bytes() -> int:
    """Memory that this process occupies now, in bytes; 0: unknown, since this is not Linux."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def keep_freed_memory(most: int) -> None:
    """Have glibc keep freed memory for the next use. Without glibc nothing happens.

    By default glibc returns large pieces to the kernel. Then the pages of every lease and of every
    decoded photo have to be mapped and zeroed again, which costs up to a third of the throughput.

    most: bytes that are kept at the end of each heap.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-3, 32 * 2**20)  # M_MMAP_THRESHOLD: its largest value
        mallopt(-1, most)  # M_TRIM_THRESHOLD


def cache() -> Path:
    """The folder for files derived from data. It may not exist yet. Raises ConfigError."""
    return _kept("XDG_CACHE_HOME", ".cache", "files derived from data")


def state_home() -> Path:
    """The folder for this user's state. It may not exist yet. Raises ConfigError."""
    return _kept("XDG_STATE_HOME", ".local/state", "this user's state")


def _kept(variable: str, usual: str, what: str) -> Path:
    if given := os.environ.get(variable):
        return Path(given) / APPLICATION
    home = os.path.expanduser("~")  # noqa: PTH111
    if home.startswith("~"):
        raise ConfigError(
            f"this user (uid {os.geteuid()}) has no home folder, and so no place for {what}"
            f": set {variable}, or HOME, to a writable folder"
        )
    return Path(home) / usual / APPLICATION


def temporary_folder(what: str) -> tempfile.TemporaryDirectory[str]:
    """A folder of mode 0700 that is removed when it is closed. Raises OutputError.

    what: its purpose, for the message of the error.
    """
    try:
        return tempfile.TemporaryDirectory(prefix=f"{APPLICATION}-")
    except OSError as error:
        raise no_temporary_folder(what, error) from error


def no_temporary_folder(what: str, error: OSError) -> OutputError:
    """The error if there is no folder for temporary files. what: the purpose of the files."""
    return OutputError(
        f"there is no folder for temporary files ({what}): {error}. Set TMPDIR to a writable "
        "folder; start a container with --tmpfs /tmp"
    )


def scratch() -> BinaryIO:
    """A small file without a name, in memory if the system supports that."""
    try:
        return os.fdopen(os.memfd_create(APPLICATION), "w+b")
    except (OSError, AttributeError):
        return tempfile.TemporaryFile()


def lock(descriptor: int, path: Path) -> bool | None:
    """Take the lock of an open file, until it is closed or this process ends.

    descriptor: the open file; path: its name, for the warning.
    Returns True: the lock is ours. False: another process has it. None: the file system has no
    locks, and a warning was logged.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        log.warning(
            "%s is on a file system without locks (%s), so nothing prevents two programs from "
            "writing there at the same time: start only one",
            path.parent,
            error.strerror,
        )
        return None
    return True


def allow_many_files() -> int:
    """Raise this process's limit of open files as far as allowed, and return the new limit.

    Each connection is an open file. At the limit a server can accept no connection, and spins.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return 2**31 if soft == resource.RLIM_INFINITY else soft
