"""How the model of a run comes about: built by name, by the task or by a user's code, or loaded."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Collection, Sequence
from typing import Any

import keras
import numpy as np

from pushfit.adapters.keras import Fits
from pushfit.errors import ConfigError, TaskError, raised
from pushfit.settings import code
from pushfit.settings.learning import of_rate
from pushfit.settings.programs.train import TrainSettings
from pushfit.tasks import checks
from pushfit.tasks.base import ArraySpec, Task
from pushfit.tasks.trimming import Trimming, open_axes
from pushfit.training import backend, losses, models, schedules
from pushfit.training.fit_data import prepare
from pushfit.training.user_code import UserCode

log = logging.getLogger("pushfit.trainer")


class RunModel:
    """What decides the model of a run of `task`. objects: the code that its settings name."""

    def __init__(
        self,
        task: Task,
        settings: TrainSettings,
        classes: Sequence[str],
        specs: Sequence[ArraySpec],
        objects: UserCode,
    ) -> None:
        self._task, self._settings, self._specs, self._code = task, settings, specs, objects
        self._classes = len(classes)
        self._own = self._own_model()  # also where one is loaded: it registers classes with Keras
        self.compiled = self._own is not None and self._own.compiled
        if self.compiled:
            self._refuse_unused()

    @property
    def is_ours(self) -> bool:
        """True where nothing that is trained, or decides how, is a user's own."""
        return not self._task.source and not self._code.objects

    @property
    def whose(self) -> str:
        """What to add to the model's own name, where PushFit does not build it."""
        if type(self._task).build_model is not Task.build_model:
            return " (the task's own)"
        return f" (of {self._settings.model})" if self._own is not None else ""

    def build(self, rate: schedules.Rate) -> keras.Model:
        """A new model, compiled. Raises ConfigError."""
        settings, task, model = self._settings, self._task, self._own
        if self.compiled:
            whose = "the user's" if code.names_code(settings.model) else "the task's"
            log.info(
                "%s model comes compiled and stays so: the settings of the optimizer and "
                "its learning rate, and the task's loss and metrics, are not used",
                whose,
            )
            return model
        if model is None:
            model = models.build(
                settings.model,
                classes=self._classes,
                weights=self._weights(),
                dense1=settings.dense1,
                dropout=settings.dropout,
                dense2=settings.dense2,
                highpass=settings.highpass,
                **task.model_needs(),
            )
            if settings.freeze_body:
                models.freeze_body(model)
        loss, metrics = losses.for_heads(
            models.head_names(model),
            *self._objective(),
            spread=(bool(settings.loss) or task.loss is None, bool(settings.metrics)),
        )
        given = settings.optimizer, rate, loss, metrics, settings.arguments_of
        models.compile(model, *given, targets=checks.has_targets(task))
        return model

    def register(self) -> None:
        """Have the user's loss and metrics known to Keras, which a saved model may need."""
        if not self.compiled:
            self._objective()

    def follow(self, model: keras.Model, rate: schedules.Rate, changed: Collection[str]) -> None:
        """Have a run that is resumed continue at the rate that was given now, if one was."""
        optimizer, schedule = model.optimizer, self._settings.schedule
        if self.compiled:
            return
        if schedule != "constant":  # it may have other epochs now
            optimizer.learning_rate = rate
        elif "learning_rate" in changed or "schedule" in changed:
            try:
                optimizer.learning_rate = rate
            except TypeError as error:  # Keras: an optimizer that follows a schedule keeps to one
                raise ConfigError(
                    "the run follows a schedule of the learning rate, and Keras lets it follow "
                    "another, but no constant rate: leave --schedule as it was"
                ) from error
        if told := sorted(of_rate() & set(changed)):
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in told)
            log.info("from here on %s as given now", flags)

    def _objective(self) -> tuple[Any, Any]:
        settings = self._settings
        of_task = (self._task.loss, self._task.metrics)
        loss, metrics = losses.chosen(settings.loss, settings.metrics, of_task, self._code)
        soft = losses.of_soft_labels(loss, settings.label_smoothing, soft=settings.mixes)
        if loss is None and soft is not None and metrics is None:
            metrics = ["accuracy"]
        return soft, metrics

    def _weights(self) -> str:
        """A body that is frozen must have weights, however long they take to come."""
        given = self._settings.weights
        return "imagenet" if self._settings.freeze_body and given == "auto" else given

    def _own_model(self) -> keras.Model | None:
        """The model of the task or of --model FILE.py:NAME. Raises ConfigError and TaskError."""
        task, settings = self._task, self._settings
        model = checks.called(task, "build_model", self._classes)
        who = f"task {task.name} builds a model of its own"
        if model is not None and not isinstance(model, keras.Model):
            raise TaskError(f"task {task.name}: build_model() returned {model!r}, no keras.Model")
        if code.names_code(settings.model):
            if model is not None:
                raise ConfigError(f"--model {settings.model}: {who}: leave --model out")
            model, who = self._of_code(), f"--model {settings.model} builds the model"
        if model is None:
            return None
        if settings.weights not in ("auto", "none"):
            raise ConfigError(
                f"--weights {settings.weights}: {who}, which they are not for: leave --weights out"
            )
        if settings.freeze_body:
            raise ConfigError(
                f"--freeze-body: {who}: set trainable = False on layers there, and leave "
                "--freeze-body out"
            )
        return model

    def _of_code(self) -> keras.Model:
        text = self._settings.model
        build = self._code.of(text)
        if not callable(build):
            raise ConfigError(f"--model {text} is {type(build).__name__}: name a function")
        blank = {spec.name: np.zeros((1, *spec.shape), spec.dtype) for spec in self._specs}
        whole, short = (
            checks.called(self._task, "to_fit", arrays)[0]
            for arrays in (blank, Trimming(self._task, self._specs)(blank))
        )
        shape = shape_of(whole, short)
        try:
            inspect.signature(build).bind(classes=self._classes, shape=shape)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"--model {text} is called with classes= and shape=, which it does not take "
                f"({error})"
            ) from error
        try:
            model = build(classes=self._classes, shape=shape)
        except (Exception, SystemExit) as error:
            where = text.rpartition(":")[0]
            raise ConfigError(f"--model {text} failed: {raised(error, where)}") from error
        if not isinstance(model, keras.Model):
            raise ConfigError(f"--model {text} returned {model!r}, and it must be a keras.Model")
        return model

    def _refuse_unused(self) -> None:
        for name in ("optimizer_args", "loss", "metrics", "label_smoothing", "mixup", "cutmix"):
            if getattr(self._settings, name):
                raise ConfigError(
                    f"--{name.replace('_', '-')}: the model comes compiled, with a loss and an "
                    "optimizer of its own, and stays so: leave the flag out, or return a model "
                    "that is not compiled"
                )


def shape_of(x: Any, short: Any) -> Any:
    """The shape of one sample of the model's input: a tuple, or {name: tuple}.

    short: x as it is in a trimmed batch; an axis that is shorter there is None.
    """
    if isinstance(x, dict):
        return {name: shape_of(each, short[name]) for name, each in x.items()}
    return open_axes(x, short)[1:]


def try_out(model: keras.Model, task: Task, specs: Any, to_fit: Fits, *, ours: bool) -> None:
    """One step without samples. Raises TaskError where a user's task, model and loss do not fit.

    ours: nothing of it is a user's, so that any error is one of PushFit's own, and passes.
    """
    try:
        prepare(model, to_fit)
    except Exception as error:
        if ours:
            raise
        shapes = ""
        if getattr(model, "inputs", None):  # not of a subclass
            shapes = f": it takes {model.input_shape} and gives {model.output_shape}"
        said = f"Keras says {type(error).__name__}: {backend.plainly(error)}"
        raise TaskError(
            f"task {task.name}: the model {model.name} cannot be trained on what to_fit() "
            f"returns, {checks.shown(task, specs)}{shapes}. {said}"
        ) from error
