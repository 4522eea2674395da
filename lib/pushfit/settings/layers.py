"""The layers that give settings their values. A layer is asked for one setting at a time.

A layer ignores settings of other programs. Its constructor refuses a name that no program knows.
`Layers` reads the values of all layers, so an invalid value is refused in every one of them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol

import msgspec

from pushfit import host_facts, tasks
from pushfit.errors import ConfigError, nearest
from pushfit.settings import code, site
from pushfit.settings.declaration import Placed
from pushfit.settings.fields import PREFIX, Setting
from pushfit.settings.origin import DEFAULT, Layer, Origin
from pushfit.settings.site import CONTAINER, Host

PARENT = PREFIX + "PARENT"  # a process sets it for the processes that it starts
# Variables that are not settings: PUSHFIT_CFG, and those that fleet/local.py, serving/workers.py
# and the Dockerfile set for processes.
RESERVED = frozenset({PARENT, PREFIX + "PLACE", PREFIX + "WORKER", PREFIX + "IMAGE", site.VARIABLE})


class Given(msgspec.Struct, frozen=True):
    """What a layer gives a setting.

    value: text, or a value of the setting's type.
    where: where the value is written, in words, for messages.
    """

    value: object
    origin: Origin
    where: str


class Source(Protocol):
    """One layer."""

    def get(self, setting: Setting) -> Given | None: ...


class Layers:
    """Several layers, in order. The last one that gives a value wins."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    def value(self, setting: Setting) -> tuple[Any, Origin]:
        """The value from the highest layer that gives one, else the default. Raises ConfigError."""
        value, origin = setting.default, DEFAULT
        for source in self._sources:
            if (given := source.get(setting)) is not None:
                value, origin = setting.read(given.value, given.where), given.origin
        return _placed(setting, value, origin), origin


class TaskRow:
    """The defaults of a task. known: the names that are allowed in them."""

    def __init__(self, task: str, row: Mapping[str, object], known: Collection[str]) -> None:
        self._where = f"cfg/{task}.py" if task in tasks.TASKS else f"the row of task {task}"
        self._row, self._origin = row, Origin(Layer.TASK, task)
        refuse_unknown(row, known, self._where)

    def get(self, setting: Setting) -> Given | None:
        if setting.name not in self._row:
            return None
        return Given(self._row[setting.name], self._origin, f"{setting.name} in {self._where}")


class HostRows:
    """The rows of HOSTS that match this host. known: the names that are allowed in them."""

    def __init__(self, rows: Sequence[Host], known: Collection[str]) -> None:
        self._rows = rows
        for row in rows:
            refuse_unknown(row.settings, known, _place(row))

    def get(self, setting: Setting) -> Given | None:
        for row in self._rows:  # the first row that has the setting counts
            if setting.name in row.settings:
                origin, where = Origin(Layer.HOST, row.pattern), f"{setting.name} in {_place(row)}"
                return Given(row.settings[setting.name], origin, where)
        return None


class Environment:
    """The variables PUSHFIT_NAME, and those that settings declare as `also`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def get(self, setting: Setting) -> Given | None:
        for variable in filter(None, (setting.variable, setting.also)):
            if variable in self._environ:
                origin = Origin(Layer.ENVIRONMENT, variable)
                return Given(self._environ[variable], origin, f"{variable} in the environment")
        return None

    @property
    def of_child(self) -> bool:
        """Return whether a process of PushFit started this one, and so checked the variables."""
        return PARENT in self._environ

    def unknown(self, names: Collection[str]) -> list[str]:
        """The PUSHFIT_ variables that do not belong to the settings called `names`."""
        known = RESERVED.union(PREFIX + name.upper() for name in names)
        return sorted(v for v in self._environ if v.startswith(PREFIX) and v not in known)


def refuse_unknown(names: Iterable[str], known: Collection[str], where: str) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(f"{name!r} in {where} is not a setting{nearest(name, sorted(known))}")


def matches(row: Host, machine: host_facts.Machine) -> bool:
    if row.pattern == CONTAINER:
        return bool(machine.container)
    return fnmatchcase(machine.name.lower(), row.pattern.lower())


def _place(row: Host) -> str:
    return f"the row {row.pattern!r} of HOSTS in cfg/base.py"


def _placed(setting: Setting, value: Any, origin: Origin) -> Any:
    """`value`, made an absolute path if `setting` declares that."""
    if setting.placed is Placed.NO or not value:
        return value
    here = Path.cwd() if origin.is_given else site.root()
    if setting.placed is Placed.FILE:
        if setting.is_list:
            return tuple(_file(item, here) for item in value)
        return _file(value, here)
    if setting.placed is Placed.TASK and not value.endswith(tasks.ENDING):
        return value
    if setting.placed is Placed.LINKS:
        return links_folder(value, here)
    return os.path.normpath(here / value)


def _file(text: str, here: Path) -> str:
    return os.path.normpath(here / text) if code.names_file(text) else text


def links_folder(text: str, here: Path) -> str:
    """The absolute path of a links folder. here: the folder to which `text` is relative."""
    own = text.rstrip("/").removeprefix("./") in site.LINK_FOLDERS
    return os.path.normpath((site.root() if own else here) / text)


# A task from a file makes one sample from each visit, unless its `row` has another number.
OWN_ROW = {"patches_per_visit": 1}


def task_row(task: str, chosen: Any) -> Mapping[str, object]:
    """The defaults of a task: its `row`. For a built-in task, ROW of cfg/TASK.py overrides it."""
    own: Mapping[str, object] = chosen.row
    if task.endswith(tasks.ENDING):
        return {**OWN_ROW, **own}
    return {**own, **site.row(task)}
