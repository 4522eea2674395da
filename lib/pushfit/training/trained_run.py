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

from pushfit import container, tasks
from pushfit.errors import ConfigError
from pushfit.runs import checkpoint_state
from pushfit.runs.checkpoint_state import BEST, LAST
from pushfit.settings import code
from pushfit.settings.fields import parameters_of
from pushfit.settings.programs import names
from pushfit.tasks import checks
from pushfit.tasks.base import Task

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
        """The model, not compiled. Raises ConfigError, also where its weights are no numbers."""
        from pushfit.training import checkpoint, finite

        register(self.task, len(self.classes))
        missing = self._register_code()
        try:
            model = checkpoint.load(self.file)
        except ConfigError as error:
            if missing is None:
                raise
            why = str(missing)
            raise ConfigError(f"{str(error).rstrip('.')}. {why[0].upper()}{why[1:]}") from error
        finite.check_weights(model, self.file)
        return model

    def _register_code(self) -> ConfigError | None:
        """Have the code that made the model make its layers known to Keras, if the user trusts it.

        Returns why it did not run. A model of Keras's own layers does not need it.
        """
        from pushfit.training import user_code

        text = self.settings.get("model", "")
        if not code.names_code(text):
            return None
        try:
            user_code.load_one("--model", text, f"the run {self.path}")
        except ConfigError as error:
            return error
        return None


def register(task: Task, classes: int) -> None:
    """Have a task of one's own make its classes known to Keras, which a saved model may need.

    Raises TaskError for what it raises.
    """
    if task.source:
        checks.called(task, "build_model", classes)
        _ = task.loss, task.metrics


def find(path: Path, file_of_task: str = "") -> Run:
    """The run in the folder `path` with its best model (the last where none is best), or in a file.

    file_of_task: the user's word on which file holds a task that is not built in.
    Raises ConfigError: no folder, no model in it, a file that is none or of no run, and where task
    or parameters are not known here.
    """
    file = _file(path)
    before = checkpoint_state.read(file)
    name = before.settings.get("task", "")
    if not name:
        raise ConfigError(f"{file} does not say of which task it is: was it changed?")
    if file_of_task and name.endswith(tasks.ENDING):
        task = _task(tasks.load(file_of_task), before.settings, path)
    else:
        task = _task(_of_run(name, path), before.settings, path)
    task.facts = before.facts
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


def _of_run(name: str, path: Path) -> type[Task]:
    try:
        return tasks.load(name, said_by=f"the run {path}")
    except ConfigError as error:
        if name.endswith(tasks.ENDING) and Path(name).exists():
            raise
        raise ConfigError(f"the run {path} was trained with --task {name}: {error}") from error


def _task(task: type[Task], texts: dict[str, str], path: Path) -> Task:
    values: dict[str, Any] = {
        setting.field: setting.read(texts[setting.name], f"{setting.name} of the run {path}")
        for setting in parameters_of(task.name, task.Params, names())
        if setting.name in texts
    }
    made: Task = task(task.Params(**values))
    side = int(texts.get("crop", "0"))  # of stored samples, which were larger
    return made.cropped(side) if side else made
