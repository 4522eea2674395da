"""The task that a call names: a built-in task, a file, or a class from a file."""

from __future__ import annotations

import inspect
import os
from pathlib import Path

from pushfit import tasks
from pushfit.errors import ConfigError
from pushfit.tasks.base import Task


def name_of(task: object) -> str:
    """The name of a built-in task, or the path of a file, as `--task` takes it.

    task: such a name or path, or a class derived from `Task` that stands in a file.
    Raises ConfigError.
    """
    if isinstance(task, str | os.PathLike):
        return os.fspath(task)
    if isinstance(task, type) and issubclass(task, Task):
        return _of_class(task)
    if isinstance(task, Task):
        return _of_class(type(task))
    raise ConfigError(
        f"task is {task!r}: give the name of a built-in task, the path of a Python file, or a "
        "class that derives from pushfit.Task"
    )


def _of_class(task: type[Task]) -> str:
    for name, place in tasks.TASKS.items():
        if place == f"{task.__module__}:{task.__name__}":
            return name
    file = _file(task)
    why = (
        "generators are processes of their own, also on other hosts, and import the task from its "
        "file"
    )
    if not file.is_file():
        raise ConfigError(
            f"the task {task.__name__} was typed into a notebook or a prompt, and {why}: put the "
            "class into a file, such as photos.py, and give its path"
        )
    if task.__module__ == "__main__":
        raise ConfigError(
            f"the task {task.__name__} stands in the script that is running, {file.name}, and "
            f"{why}, which would run the script again: put the class into a file of its own"
        )
    loaded = tasks.load(str(file))
    if loaded.__name__ != task.__name__:
        raise ConfigError(f"{file} is the file of the task {loaded.__name__}, not {task.__name__}")
    return str(file)


def _file(task: type[Task]) -> Path:
    """The file of the code of `task`; it does not exist where the code was typed in.

    A notebook's module names the file of its kernel, so the methods are asked first.
    """
    for member in vars(task).values():
        if inspect.isfunction(member):
            return Path(member.__code__.co_filename)
    try:
        return Path(inspect.getfile(task))
    except (TypeError, OSError):
        return Path()
