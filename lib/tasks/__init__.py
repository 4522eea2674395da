"""The tasks by name. A task is imported when it is asked for, so that none pays for another."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from lib.errors import ConfigError, nearest

if TYPE_CHECKING:
    from lib.tasks.base import Task

TASKS = {
    "camera": "lib.tasks.camera:CameraTask",
    "digits": "lib.tasks.digits:DigitsTask",
}


def load(name: str) -> type[Task]:
    """The task class called `name`. Raises ConfigError."""
    if name not in TASKS:
        raise ConfigError(f"task: there is no {name!r}{nearest(name, TASKS)}; known: {_known()}")
    module, _, attribute = TASKS[name].partition(":")
    task: type[Task] = getattr(import_module(module), attribute)
    return task


def _known() -> str:
    return ", ".join(TASKS)


def create(name: str, params: Mapping[str, Any]) -> Task:
    """The task called `name` with these parameters. Raises ConfigError naming the wrong one."""
    task = load(name)
    try:
        return task(msgspec.convert(params, task.Params))
    except msgspec.ValidationError as error:
        raise ConfigError(f"task {name}: {error}") from error
