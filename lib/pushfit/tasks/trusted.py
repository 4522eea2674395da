"""Which task files this user has named: data alone cannot make PushFit run a file.

A run's folder, a checkpoint and a stored stream are data, and may come from anybody. Each names the
task that it was made with, which may be a Python file. Such a file runs only if the user names it
now (`--task`), or has named it before on this host, with the content that it has now.

    ~/.local/state/pushfit/task-files/…    a small file for each path and content that was named
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

from pushfit.errors import ConfigError
from pushfit.files import replacing
from pushfit.host import state_home
from pushfit.tasks import user_task
from pushfit.tasks.base import Task

FOLDER = "task-files"
WHAT_TO_DO = (
    "A folder may come from anybody, so the file that it names does not run: look into the file, "
    "and if you trust it, give --task with its path"
)

log = logging.getLogger("pushfit")
_told: set[Path] = set()


def named(path: Path) -> type[Task]:
    """The task in a file that the user has named. Raises ConfigError."""
    task = user_task.load(path)
    _remember(path)
    return task


def of_data(path: Path, where: str) -> type[Task]:
    """The task in a file that data names. where: the data, such as "the run in runs/a".

    Raises ConfigError if the user has never named that file with its present content.
    """
    known = _entry(path)
    if known is None or not known.is_file():
        raise ConfigError(
            f"{where} was made with the task in {path}, and you have not named that file on this "
            f"host with its present content. {WHAT_TO_DO}"
        )
    if path not in _told:
        _told.add(path)
        log.info("the task is the one in %s, which you have named before on this host", path)
    return user_task.load(path)


def _entry(path: Path) -> Path | None:
    """The file that exists if `path` was named with its present content. Raises ConfigError.

    None: this user has no home folder, so nothing can be remembered.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100  # links stay: they are names
    digest = hashlib.sha256(os.fsencode(path) + b"\0" + user_task.digest(path)).hexdigest()
    try:
        return state_home() / FOLDER / digest
    except ConfigError:  # this user has no home folder
        return None


def _remember(path: Path) -> None:
    entry = _entry(path)
    try:
        if entry is None or entry.is_file():
            return
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(entry) as temporary:
            temporary.write_bytes(os.fsencode(path) + b"\n")
    except (OSError, ConfigError) as error:
        log.debug("cannot remember that %s was named: %s", path, error)
