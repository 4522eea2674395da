"""Safe reading of files that others provide: a pipe or a device can neither block nor be endless.

opened(path)        a regular file, open for reading; never a pipe, a device or a socket
read(path, size)    all bytes of a file, if its size is the expected one
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def opened(path: Path) -> BufferedReader:
    """The file at `path`. Raises OSError, also if `path` is not a file or a link to one."""
    try:
        file = open(path, "rb", opener=_at_once)  # noqa: SIM115
    except OSError as error:
        if error.errno == errno.ENXIO:  # the error for a socket
            raise _special(path) from None
        raise
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise _special(path)
    return file


def read(path: Path, size: int = 0) -> bytes:
    """All bytes of a file. No more is read than it has when it is opened.

    size: the expected size in bytes; 0: unknown.
    Raises OSError, with ESTALE if the file has changed.
    """
    with opened(path) as file:
        now = os.fstat(file.fileno()).st_size
        if size and now != size:
            raise changed(path, f"it has {now:,} bytes, and had {size:,} when the run began")
        data = file.read(now + 1)
    if len(data) != now:
        raise changed(path, "it was written to while it was read")
    return data


def _at_once(path: str, flags: int) -> int:
    """Open `path`; if it is a pipe, do not wait for a writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def _special(path: Path) -> OSError:
    return OSError(errno.EINVAL, "it is a pipe, a device or a socket, not a file", str(path))


def changed(path: Path, how: str) -> OSError:
    """The error for a file that is not what it was when the run began. how: what has changed."""
    return OSError(errno.ESTALE, f"the file has changed: {how}", str(path))
