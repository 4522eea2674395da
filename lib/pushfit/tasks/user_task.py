"""A user task: the one task class in a Python file.

    load(Path("mytask.py")) ─▶ its class, with `source` set

- Only a person names a file, with --task. A name that came over the wire never gets here, and one
  in a run's folder or a store only through `trusted`.
- `source` is a hash of the file and of what it imports from its folder (`user_file`).
"""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path
from types import ModuleType

import msgspec

from pushfit import __version__
from pushfit.errors import ConfigError
from pushfit.tasks import TASKS, compatibility, user_file
from pushfit.tasks.base import INTERFACE, Task

_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}", re.ASCII)
_loaded: dict[Path, type[Task]] = {}


def load(path: Path) -> type[Task]:
    """The task in the file `path`: the same class for each call. Raises ConfigError."""
    path = Path(os.path.abspath(path))  # noqa: PTH100  # links stay: they are names
    if path not in _loaded:
        source = user_file.source(path)
        task = _task(path, user_file.run(path, source))
        task.source = source
        _loaded[path] = task
    return _loaded[path]


def _task(path: Path, module: ModuleType) -> type[Task]:
    tasks = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Task) and each.__module__ == module.__name__
    ]
    tasks = list(dict.fromkeys(tasks))  # a class may have two names
    whole = [task for task in tasks if not inspect.isabstract(task)]
    if len(whole) > 1:
        names = ", ".join(task.__name__ for task in whole)
        raise ConfigError(f"task: {path} holds {len(whole)} tasks ({names}): one file, one task")
    if not whole and tasks:
        lacks = ", ".join(sorted(tasks[0].__abstractmethods__))
        raise ConfigError(f"task: {tasks[0].__name__} in {path} lacks {lacks}")
    if not whole:
        raise ConfigError(
            f"task: {path} holds no task: no class in it derives from Task "
            "(pushfit.tasks.base) or LabelledImages (pushfit.tasks.labelled)"
        )
    _check(whole[0], f"task: {whole[0].__name__} in {path}")
    return whole[0]


def _check(task: type[Task], where: str) -> None:
    name, params, needs = getattr(task, "name", None), task.Params, task.interface
    if type(needs) is not int or needs < 1:
        raise ConfigError(f"{where}: interface is {needs!r}, it must be a whole number from 1 on")
    if needs > INTERFACE:
        raise ConfigError(
            f"{where} is written for version {needs} of the interface of tasks, and this PushFit "
            f"({__version__}) has version {INTERFACE}: install a newer one, here and on every host "
            "of the fleet"
        )
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        found = "has no name" if name is None else f"has the name {name!r}"
        raise ConfigError(
            f"{where} {found}: give it one of lower-case letters, digits and _, e.g. "
            f'name = "{re.sub("[^a-z0-9_]", "", task.__name__.lower()) or "mine"}"'
        )
    if name in TASKS:
        raise ConfigError(
            f"{where} has the name {name!r}, which is that of a built-in task: choose another"
        )
    if not (isinstance(params, type) and issubclass(params, msgspec.Struct)):
        raise ConfigError(f"{where}: Params is {params!r}, it must be a class of msgspec.Struct")
    libraries = task.libraries
    if not isinstance(libraries, tuple) or not all(isinstance(each, str) for each in libraries):
        raise ConfigError(
            f"{where}: libraries is {libraries!r}, it must be a tuple of names of packages, e.g. "
            'libraries = ("albumentations",)'
        )
    for name in libraries:
        if compatibility.libraries((name,))[name] == compatibility.NONE:
            raise ConfigError(
                f"{where}: libraries names {name!r}, which is not installed here: install it, or "
                "correct its name"
            )
    for field in params.__struct_fields__:
        if not _NAME.fullmatch(field) or field == "help" or field.startswith("no_"):
            raise ConfigError(
                f"{where}: a parameter cannot be called {field!r}: use lower-case letters, digits "
                "and _, but not 'help' or a name that begins with 'no_'"
            )
