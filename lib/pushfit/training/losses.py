"""Losses and metrics by what the settings and the task say of them, as `compile` takes them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from pushfit.errors import ConfigError, nearest
from pushfit.settings.learning import LearningSettings
from pushfit.training import user_code
from pushfit.training.user_code import UserCode

CLASSES = "sparse_categorical_crossentropy"  # the loss for class numbers
SOFT = "categorical_crossentropy"  # the one for shares of each class


@keras.saving.register_keras_serializable("pushfit")
class SmoothedCrossentropy(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy for class numbers, of which a share goes to all classes evenly.

    y_true: (B,) or (B, 1) integers. y_pred: (B, classes) float, probabilities.
    label_smoothing: 0 to 1: the target of the true class is 1 - label_smoothing + label_smoothing /
        classes, that of any other label_smoothing / classes.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        reduction: str = "sum_over_batch_size",
        name: str = "smoothed_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        ops = keras.ops
        numbers = ops.cast(ops.reshape(y_true, ops.shape(y_pred)[:-1]), "int32")
        targets = ops.one_hot(numbers, y_pred.shape[-1], dtype=y_pred.dtype)
        smoothing = self.label_smoothing
        return keras.losses.categorical_crossentropy(targets, y_pred, label_smoothing=smoothing)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


def check(settings: LearningSettings, code: UserCode) -> None:
    """Raises ConfigError for a loss or metrics of `settings` that cannot be used with any task."""
    loss, _ = chosen(settings.loss, settings.metrics, (None, None), code)
    if settings.loss:
        of_soft_labels(loss, settings.label_smoothing, soft=settings.mixes)


def chosen(
    loss: str, metrics: Iterable[str], of_task: tuple[Any, Any], code: UserCode
) -> tuple[Any, Any]:
    """(loss, metrics): those of the settings, and where these name none, those of the task.

    of_task: the task's loss and metrics. code: has what the settings name of a user's own.
    Raises ConfigError for names that Keras does not know.
    """
    own_loss, own_metrics = of_task
    found: Any = own_loss
    measured: Any = own_metrics
    if named := list(metrics):
        measured = [_named("--metrics", text, code, keras.metrics) for text in named]
    elif own_loss is None and own_metrics is None and loss:
        measured = ["accuracy"]  # class numbers are what they were
    if loss:
        found = _named("--loss", loss, code, keras.losses)
    return found, measured


def of_soft_labels(loss: Any, smoothing: float, *, soft: bool) -> Any:
    """`loss` for targets that are softened: by `smoothing`, and because labels are mixed.

    loss: as a task gives it; None: that for class numbers. soft: the targets are (B, classes)
    shares, not class numbers. Raises ConfigError for a loss that cannot be smoothed.
    """
    if not smoothing and not soft:
        return loss
    if isinstance(loss, Mapping) and "class_name" not in loss:
        return {name: of_soft_labels(each, smoothing, soft=soft) for name, each in loss.items()}
    if loss is not None and not isinstance(loss, str):
        if smoothing:
            raise ConfigError(
                "--label-smoothing is for a loss that is given by its name in Keras: leave it out "
                "and smooth in the loss itself, or give --loss"
            )
        return loss
    name = loss or CLASSES
    kind = _class_of(name)
    if kind is keras.losses.SparseCategoricalCrossentropy:
        if not soft:
            return SmoothedCrossentropy(smoothing)
        return (
            keras.losses.CategoricalCrossentropy(label_smoothing=smoothing) if smoothing else SOFT
        )
    if not smoothing:
        return name
    if kind is None or "label_smoothing" not in inspect.signature(kind).parameters:
        raise ConfigError(
            f"--label-smoothing: the loss {name} has none; {CLASSES}, {SOFT} and "
            "binary_crossentropy have"
        )
    return kind(label_smoothing=smoothing)


def for_heads(
    heads: Sequence[str], loss: Any, metrics: Any, *, spread: tuple[bool, bool]
) -> tuple[Any, Any]:
    """(loss, metrics) with those that are meant for each of several heads given to each.

    spread: whether to do so with the loss, and with the metrics.
    """
    if len(heads) < 2:
        return loss, metrics
    if spread[0] and loss is not None and not isinstance(loss, Mapping):
        loss = dict.fromkeys(heads, loss)
    if (spread[1] or spread[0]) and isinstance(metrics, list):
        metrics = {head: [_another(each) for each in metrics] for head in heads}
    return loss, metrics


def _another(metric: Any) -> Any:
    """A metric counts, so each head needs one of its own."""
    if not isinstance(metric, keras.metrics.Metric):
        return metric
    return type(metric).from_config(metric.get_config())


def _named(flag: str, text: str, code: UserCode, known: Any) -> Any:
    """The loss or metric `text`: its name in Keras, or the object of a user's own."""
    found = code.of(text)
    if found is text:
        return _of_keras(flag, text, known)
    if isinstance(found, type):
        found = user_code.made(found, flag, text)
    if isinstance(found, keras.losses.Loss | keras.metrics.Metric):
        _register(type(found))
    elif callable(found):
        _register(found)
    else:
        raise ConfigError(
            f"{flag} {text} is {type(found).__name__}: it must be a class of Keras's kind, or a "
            "function of (y_true, y_pred)"
        )
    return found


_WORDS = {"accuracy": "accuracy", "acc": "accuracy", "crossentropy": "crossentropy"}


def _of_keras(flag: str, text: str, known: Any) -> Any:
    if known is keras.metrics and text.lower() in _WORDS:  # Keras chooses by the targets
        return _WORDS[text.lower()]
    own = "For code of your own give FILE.py:NAME or MODULE:NAME"
    try:
        found = known.get(text)
        # By its own counter, Keras would name a metric otherwise when the run is resumed.
        return type(found)(name=text) if isinstance(found, keras.metrics.Metric) else text
    except ValueError as error:
        names = [*(name for name in dir(known) if name.islower() and name[0] != "_"), *_WORDS]
        raise ConfigError(
            f"{flag} {text}: Keras has no such name{nearest(text, names) or '.'} {own}"
        ) from error
    except TypeError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"{flag} {text}: Keras makes none without arguments ({reason}). {own}"
        ) from error


def _register(what: Any) -> None:
    """Let a saved model name it, unless its author has done so."""
    if what.__module__.partition(".")[0] == "keras":
        return
    if not keras.saving.get_registered_name(what).count(">"):
        keras.saving.register_keras_serializable("user")(what)


def _class_of(name: str) -> type[Any] | None:
    """The class in `keras.losses` for a name, in any spelling of Keras's; None: there is none."""
    found = keras.losses.get(name)
    plain = getattr(found, "__name__", type(found).__name__).replace("_", "").lower()
    for each in vars(keras.losses).values():
        if isinstance(each, type) and each.__name__.lower() == plain:
            return each
    return None
