"""Which code this user has named: data alone cannot make PushFit run any.

A run's folder, a checkpoint and a stored stream are data, and may come from anybody. Each names the
task that it was made with, which may be a Python file. Such a file runs only if the user names it
now (`--task`), or has named it before on this host, with the content that it has now. The same
holds for what else may be code by its name: a loss, metrics, callbacks and a model. Code in an
installed module counts as named when its module and name were.

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
from pushfit.tasks import user_file, user_task
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
    remember(path)
    return task


def of_data(path: Path, where: str) -> type[Task]:
    """The task in a file that data names. where: the data, such as "the run in runs/a".

    Raises ConfigError if the user has never named that file with its present content.
    """
    if not is_known(path):
        raise ConfigError(
            f"{where} was made with the task in {path}, and you have not named that file on this "
            f"host with its present content. {WHAT_TO_DO}"
        )
    if path not in _told:
        _told.add(path)
        log.info("the task is the one in %s, which you have named before on this host", path)
    return user_task.load(path)


def is_known(code: Path | str, attribute: str = "") -> bool:
    """True if the user has named this code. Raises ConfigError for a file that cannot be read.

    code: the path of a file, which counts with its present content; or MODULE:NAME.
    attribute: what is meant in the file. To have named one thing in it is not to have named others.
    """
    entry = _entry(code, attribute)
    return entry is not None and entry.is_file()


def _entry(code: Path | str, attribute: str) -> Path | None:
    """The file that exists if `code` was named. Raises ConfigError.

    None: this user has no home folder, so nothing can be remembered.
    """
    if isinstance(code, str):
        named = b"module\0" + code.encode()
    else:
        path = Path(os.path.abspath(code))  # noqa: PTH100  # links stay: they are names
        named = os.fsencode(path) + b"\0" + user_file.digest(path) + attribute.encode()
    try:
        return state_home() / FOLDER / hashlib.sha256(named).hexdigest()
    except ConfigError:  # this user has no home folder
        return None


def remember(code: Path | str, attribute: str = "") -> None:
    """Keep in mind that the user has named this code (see `is_known`)."""
    entry = _entry(code, attribute)
    try:
        if entry is None or entry.is_file():
            return
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(entry) as temporary:
            temporary.write_bytes(os.fsencode(code) + b"\n")
    except (OSError, ConfigError) as error:
        log.debug("cannot remember that %s was named: %s", code, error)
