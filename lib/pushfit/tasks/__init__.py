"""The tasks by name. A task is imported only when it is asked for, since some need more packages.

A person may also name a file with a task (`load`). A trainer, over the wire, may name only a
built-in task or the one that this generator was started with (`create`).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pushfit.errors import ConfigError, nearest

if TYPE_CHECKING:
    from pushfit.tasks.base import Task

TASKS = {
    "camera": "pushfit.tasks.camera.task:CameraTask",
    "images": "pushfit.tasks.images.task:ImagesTask",
    "digits": "pushfit.tasks.digits.task:DigitsTask",
    "hdf5": "pushfit.tasks.hdf5.task:Hdf5Task",
}
ENDING = ".py"  # a name that ends in this is the path of a file


def load(name: str, said_by: str = "") -> type[Task]:
    """The task class called `name`, or the one in the file `name`. Raises ConfigError.

    said_by: the data that names it, such as "the run in runs/a"; ``""``: a person names it.
    """
    if name.endswith(ENDING):
        from pushfit.tasks import trusted

        path = Path(name)
        return trusted.of_data(path, said_by) if said_by else trusted.named(path)
    if name in TASKS:
        return _built_in(name)
    if Path(name + ENDING).is_file():
        raise ConfigError(f"task: there is no {name!r}, did you mean the file {name + ENDING!r}?")
    raise ConfigError(
        f"{_unknown(name)}; to use your own task, give its file, e.g. path/to/mytask.py"
    )


def _built_in(name: str) -> type[Task]:
    module, _, attribute = TASKS[name].partition(":")
    task: type[Task] = getattr(import_module(module), attribute)
    return task


def _unknown(name: str) -> str:
    known = ", ".join(TASKS)
    return f"task: there is no {name!r}{nearest(name, TASKS)} (known: {known})"


def create(
    name: str, params: Mapping[str, Any], source: str = "", own: type[Task] | None = None
) -> Task:
    """The task that a trainer calls `name`, with these parameters.

    source: `compatibility.source_of` the trainer's task; ``""``: it is not compared.
    own: the task from a file that this generator was started with; None: there is none.
    Raises ConfigError for an unknown task, another source or a wrong parameter.
    """
    if of_file := source.partition("+")[2]:
        task = _agreed(name, of_file, own)
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
        f"the trainer runs the task {name!r} from a user's file ({source}), and {here}: copy "
        "that file here, with what it imports from its folder, and start this generator with "
        "--task FILE"
    )
