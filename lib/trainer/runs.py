"""A run that was trained, opened for use: its model, and the task, parameters and classes it had.

All of it stands in the `.keras` file itself (see `state`), so a run is its folder, or such a file
alone. `find` knows no Keras and takes milliseconds; `model` takes seconds.

    find(Path("runs/digits1")) ─▶ Run ─▶ .task, .classes, .model()
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cfg.base import PROGRAMS
from cfg.fields import parameters_of, settings_of
from lib import container, tasks
from lib.errors import ConfigError
from lib.tasks.base import Task
from lib.trainer import state
from lib.trainer.state import BEST, LAST

if TYPE_CHECKING:
    import keras

log = logging.getLogger("pushfit.trainer")


class Run(msgspec.Struct, frozen=True):
    """path: as it was given; file: the `.keras` file; classes: in the order of the model's output.

    settings: as written on a command line, of the run and its task's parameters.
    """

    path: Path
    file: Path
    settings: dict[str, str]
    classes: tuple[str, ...]
    task: Task

    @property
    def name(self) -> str:
        """What people call it: the folder's name."""
        return self.file.resolve().parent.name

    def model(self) -> keras.Model:
        """The model, not compiled. Raises ConfigError."""
        from lib.trainer import checkpoint

        return checkpoint.load(self.file)


def find(path: Path) -> Run:
    """The run in the folder `path` with its best model (the last where none is best), or in a file.

    Raises ConfigError: no folder, no model in it, a file that is none or of no run, and where task
    or parameters are not known here.
    """
    file = _file(path)
    before = state.read(file)
    name = before.settings["task"]
    task = _task(name, before.settings, path)
    if task.source != before.source.partition("+")[2]:
        log.warning("%s, or what it imports, is not as it was when %s was trained", name, path)
    return Run(path, file, before.settings, before.classes, task)


def _file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise ConfigError(
            f"there is no run {path}: give the folder that --out named in training"
            + container.volume(path.parent)
        )
    for name in (BEST, LAST):
        if (path / name).is_file():
            return path / name
    raise ConfigError(
        f"{path} holds no model, neither {BEST} nor {LAST}: is it the folder of a run, and has an "
        "epoch of it ended?"
    )


def _task(name: str, texts: dict[str, str], path: Path) -> Task:
    try:
        task = tasks.load(name)
    except ConfigError as error:
        raise ConfigError(f"the run {path} was trained with --task {name}: {error}") from error
    taken = {setting.name for known in PROGRAMS.values() for setting in settings_of(known)}
    values: dict[str, Any] = {
        setting.field: setting.read(texts[setting.name], f"{setting.name} of the run {path}")
        for setting in parameters_of(task.name, task.Params, taken)
        if setting.name in texts
    }
    return task(task.Params(**values))
