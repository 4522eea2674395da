"""A temporary folder that the processes of one supervisor share. It goes with the supervisor.

The supervisor holds a lock on a file in it. After a `kill -9` of the supervisor the folder is left,
without the lock, and the next supervisor of the same user removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

VARIABLE = "PUSHFIT_SHARED"  # environment: the folder, for the processes of a supervisor
PREFIX = "pushfit-shared-"
OWNER = "owner"
YOUNG_SECONDS = 60.0  # a folder as young as this may not have its lock yet


def shared() -> Path | None:
    """The folder that this process shares with others; None: it has none."""
    path = os.environ.get(VARIABLE)
    return Path(path) if path else None


@contextmanager
def sharing() -> Iterator[dict[str, str]]:
    """The environment by which children find a new folder; empty where none can be made."""
    try:
        _remove_old(Path(tempfile.gettempdir()))
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))  # for this user alone
    except OSError:  # a container may have no place to write to
        yield {}
        return
    try:
        with (folder / OWNER).open("w") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX)
            yield {VARIABLE: str(folder)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_old(temporary: Path) -> None:
    for folder in temporary.glob(f"{PREFIX}*"):
        with suppress(OSError):
            status = folder.lstat()
            if status.st_uid != os.getuid() or time.time() - status.st_mtime < YOUNG_SECONDS:
                continue
            with (folder / OWNER).open() as owner:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where it is held
                shutil.rmtree(folder, ignore_errors=True)
