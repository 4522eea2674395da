"""The tasks by name. A task is imported when it is asked for, so that none pays for another.

A person may also name a file with a task of his own (`load`); what came over the wire may not: it
names a built-in task, or the one that this host was started with (`create`).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lib.errors import ConfigError, nearest

if TYPE_CHECKING:
    from lib.tasks.base import Task

TASKS = {
    "camera": "lib.tasks.camera:CameraTask",
    "digits": "lib.tasks.digits:DigitsTask",
}
ENDING = ".py"  # what a name ends in that is a file's


def load(name: str) -> type[Task]:
    """The task class called `name`, or the one in the file `name`. Raises ConfigError."""
    if name.endswith(ENDING):
        from lib.tasks import own

        return own.load(Path(name))
    if name in TASKS:
        return _built_in(name)
    if Path(name + ENDING).is_file():
        raise ConfigError(f"task: there is no {name!r}, did you mean the file {name + ENDING!r}?")
    raise ConfigError(
        f"{_unknown(name)}; one of your own is named by its file, e.g. path/to/mytask.py"
    )


def _built_in(name: str) -> type[Task]:
    module, _, attribute = TASKS[name].partition(":")
    task: type[Task] = getattr(import_module(module), attribute)
    return task


def _unknown(name: str) -> str:
    known = ", ".join(TASKS)
    return f"task: there is no {name!r}{nearest(name, TASKS)}; known: {known}"


def create(
    name: str, params: Mapping[str, Any], source: str = "", own: type[Task] | None = None
) -> Task:
    """The task that a trainer calls `name`, with these parameters.

    source: as the trainer has it, of a task that is not built in; own: the one that is here.
    Raises ConfigError: no such task, one of another source, a wrong parameter.
    """
    if source:
        task = _agreed(name, source, own)
    elif name in TASKS:
        task = _built_in(name)
    else:
        raise ConfigError(_unknown(name))
    try:
        return task(msgspec.convert(params, task.Params))
    except msgspec.ValidationError as error:
        raise ConfigError(f"task {name}: {error}") from error


def _agreed(name: str, source: str, own: type[Task] | None) -> type[Task]:
    if own is not None and (own.name, own.source) == (name, source):
        return own
    here = "this generator was started without one"
    if own is not None and own.name != name:
        here = f"this generator has the task {own.name!r}"
    elif own is not None:
        here = f"this generator has another version of it, {own.source}"
    raise ConfigError(
        f"the trainer runs the task {name!r} from a file of its own ({source}), and {here}: copy "
        "that file here, with what it imports from its folder, and start this generator with "
        "--task FILE"
    )
