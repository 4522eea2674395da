"""A loss that is not a number ends the run: what the model has learnt by then is lost.

All back ends keep the mean of the loss over an epoch, so one step without a number shows in every
figure after it. Where figures are fetched at each step (TensorFlow), training stops after that
step, else within a few or at the end of the epoch; in each case before the model is kept.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from pushfit.errors import ConfigError, PushFitError


class Diverged(PushFitError):
    """The loss, or a weight, is not a finite number."""


class Finite(keras.callbacks.Callback):  # type: ignore[misc]
    """Raises Diverged at the first loss that is nan or infinite. Use it before what keeps models.

    advice: what a person may do about it.
    """

    async_safe = True

    def __init__(self, advice: str) -> None:
        super().__init__()
        self._advice, self._lock = advice, threading.Lock()
        self._epoch, self._where = 0, ""

    @property
    def diverged(self) -> bool:
        return bool(self._where)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        # An exception from a thread of Keras's would be lost: it comes at the next hook instead.
        if self._look(logs, f"epoch {self._epoch + 1}, batch {batch + 1:,}"):
            self.model.stop_training = True

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._raise()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._look(logs, f"epoch {epoch + 1}")
        self._raise()

    def _look(self, logs: Mapping[str, Any] | None, where: str) -> bool:
        wrong = not_finite(logs or {})
        with self._lock:
            if wrong and not self._where:
                self._where = f"{wrong} at {where}"
        return bool(wrong)

    def _raise(self) -> None:
        if self._where:
            raise Diverged(f"the loss is not a number any more ({self._where}). {self._advice}")


def not_finite(logs: Mapping[str, Any]) -> str:
    """``"val_loss nan"``: the first loss that is not a finite number, or ``""``."""
    for name, value in logs.items():
        if name.endswith("loss") and not math.isfinite(float(value)):
            return f"{name} {float(value)}"
    return ""


def check_weights(model: keras.Model, file: object) -> None:
    """Raises ConfigError where a weight of the model in `file` is not a finite number."""
    for weight in model.weights:
        values = np.asarray(keras.ops.convert_to_numpy(weight.value))
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ConfigError(
                f"the model in {file} has weights that are not numbers ({weight.path}): its "
                "training had diverged, and no answer of it means anything. Use another run, or "
                "train again with a lower --learning-rate"
            )
