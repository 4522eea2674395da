"""The layers that a setting can come from, laid one on another.

Each `add_` method lays one layer: it reads what that layer says of the settings at hand, passes
over names that are settings of another program, and refuses the rest by name.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from cfg import base, hosts
from cfg.again import is_given
from cfg.fields import PREFIX, Setting
from lib import tasks
from lib.errors import ConfigError, nearest

ROOT = Path(__file__).resolve().parent.parent
OWN_LINKS = frozenset({"dockerlinks", "nvmelinks"})  # of the repository, wherever one stands
PARENT = PREFIX + "PARENT"  # set by a process for the ones that it starts
RESERVED = frozenset({PARENT, PREFIX + "PLACE"})  # of lib/fleet/local.py
DEFAULT, COMMAND_LINE = "default", "command line"


class Layers:
    """The values of some settings and their sources, as layer after layer is laid on."""

    def __init__(self, settings: Iterable[Setting]) -> None:
        self.settings: dict[str, Setting] = {}
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.extend(settings)

    def extend(self, settings: Iterable[Setting]) -> None:
        for setting in settings:
            self.settings[setting.name] = setting
            self.values[setting.name] = setting.default
            self.sources[setting.name] = DEFAULT

    def described(self) -> tuple[Setting, ...]:
        return tuple(self.settings.values())

    def current(self) -> dict[str, tuple[Any, str]]:
        return {name: (value, self.sources[name]) for name, value in self.values.items()}

    def put(self, name: str, value: object, source: str, origin: str) -> None:
        self.values[name] = self.settings[name].read(value, origin)
        self.sources[name] = source

    def add_task(self, task: str, row: Mapping[str, object], taken: set[str]) -> None:
        known = taken.union(self.settings) - {"task"}
        for name, value in row.items():
            where = f"cfg/{task}.py" if task in tasks.TASKS else f"the row of task {task}"
            refuse_unknown(name, known, where)
            if name in self.settings:
                self.put(name, value, f"task {task}", f"{name} in {where}")

    def add_hosts(self, rows: Sequence[base.Host], taken: set[str]) -> None:
        for row in reversed(rows):  # the first that names a setting is laid on last
            where = f"the row {row.pattern!r} of HOSTS in cfg/base.py"
            for name, value in row.settings.items():
                refuse_unknown(name, taken, where)
                if name in self.settings:
                    self.put(name, value, f"host {row.pattern}", f"{name} in {where}")

    def add_environment(self, environ: Mapping[str, str], ignore: Iterable[str] = ()) -> list[str]:
        """Returns the PUSHFIT_ variables that are neither a setting here nor in `ignore`."""
        unknown = []
        for variable in sorted(environ):
            name = variable.removeprefix(PREFIX).lower()
            if not variable.startswith(PREFIX) or variable in RESERVED:
                continue
            setting = self.settings.get(name)
            if setting is not None and setting.variable == variable:
                origin = f"{variable} in the environment"
                self.put(name, environ[variable], f"environment {variable}", origin)
            elif name not in ignore or variable != variable.upper():
                unknown.append(variable)
        return unknown

    def add_config(self, values: Mapping[str, tuple[object, str]], of: str) -> None:
        """The config.json of a run that is resumed, or of a stored stream; parameters of another
        task than the one at hand are nobody's."""
        for name, (value, source) in values.items():
            if name in self.settings:
                self.put(name, value, source, f"{name} in the config.json of {of}")

    def add_command_line(self, words: Mapping[str, str | bool]) -> None:
        for name, value in words.items():
            origin = f"{self.settings[name].flag} on the command line"
            self.put(name, value, COMMAND_LINE, origin)

    def place_paths(self) -> None:
        """Make folders, and a task that is a file, absolute: what a person typed, from here."""
        for name, placed in _PLACED:
            if name in self.values:
                typed = is_given(self.sources[name])
                self.values[name] = placed(self.values[name], Path.cwd() if typed else ROOT)


def links_folder(text: str, here: Path) -> str:
    """The absolute path of a links folder; `here` is what a relative one starts from."""
    name = text.rstrip("/").removeprefix("./")
    start = ROOT if name in OWN_LINKS else here
    return os.path.normpath(start / Path(text).expanduser())


def _folder(text: str, here: Path) -> str:
    return os.path.normpath(here / Path(text).expanduser()) if text else ""


def _task_file(text: str, here: Path) -> str:
    if not text.endswith(tasks.ENDING):
        return text
    return os.path.normpath(here / Path(text).expanduser())


_PLACED = (
    ("links", links_folder), ("task", _task_file), ("from", _folder), ("val_from", _folder),
)  # fmt: skip


def matches(row: base.Host, machine: hosts.Machine) -> bool:
    if row.pattern == base.CONTAINER:
        return bool(machine.container)
    return fnmatchcase(machine.name.lower(), row.pattern.lower())


def task_row(task: str, chosen: Any) -> Mapping[str, object]:
    """ROW of cfg/TASK.py, or the `row` of a task from a file; empty where there is none."""
    if task.endswith(tasks.ENDING):
        own: Mapping[str, object] = chosen.row
        return own
    if not task.isidentifier() or importlib.util.find_spec(f"cfg.{task}") is None:
        return {}
    row: Mapping[str, object] = getattr(importlib.import_module(f"cfg.{task}"), "ROW", {})
    return row


def refuse_unknown(name: str, known: Iterable[str], where: str) -> None:
    known = set(known)
    if name not in known:
        raise ConfigError(f"{name!r} in {where} is not a setting{nearest(name, sorted(known))}")
