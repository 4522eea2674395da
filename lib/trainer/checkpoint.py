"""The model on disk: `OUT/last.keras` after every epoch, `OUT/best.keras` when it got better.

Both are whole `.keras` files (structure, weights, optimizer state) and are written atomically: a
run that dies while it saves, or fills the disk, leaves the checkpoint from before.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from lib.errors import ConfigError
from lib.files import replacing

LAST, BEST = "last.keras", "best.keras"


def save(model: keras.Model, path: Path) -> None:
    """Write `model` to `path` (a `.keras` file), atomically. Raises OutputError."""
    with replacing(path) as temporary:
        model.save(temporary)


def load(path: Path, *, compiled: bool = False) -> keras.Model:
    """The model in a `.keras` file; `compiled` with its optimizer's state, to go on training.

    Raises ConfigError. Code in the file (Lambda layers) is refused, not run.
    """
    if not path.is_file():
        raise ConfigError(f"there is no model file {path}")
    try:
        return keras.saving.load_model(path, compile=compiled, safe_mode=True)
    except Exception as error:  # zip, HDF5, JSON and Keras each have their own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"cannot load a model from {path}: {reason}") from error


class Checkpoints(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the two checkpoints at each epoch's end; `save_last` is for Ctrl-C.

    monitor: a metric to be maximised, or minimised when its name ends with "loss". Until the first
        epoch with validation, the training metric of the same name stands in.
    best: the monitored value of an existing best.keras, when a run is resumed.
    """

    def __init__(self, out: Path, monitor: str, best: float | None = None) -> None:
        super().__init__()
        self.out = out
        self.monitor = monitor
        self.best = best
        self._stand_in = best is None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.save_last()
        value = self._value(logs or {})
        if value is not None and self._better(value):
            # A copy, not a second save: half the work, and best is last, byte for byte.
            with replacing(self.out / BEST) as temporary:
                shutil.copyfile(self.out / LAST, temporary)
            self.best = value

    def save_last(self) -> None:
        """Write OUT/last.keras as the model is now. Raises OutputError."""
        save(self.model, self.out / LAST)

    def _value(self, logs: Mapping[str, Any]) -> float | None:
        """The monitored value of an epoch; None when this epoch says nothing about it."""
        if self.monitor in logs:
            if self._stand_in:  # a training metric and a validation metric do not compare
                self.best = None
                self._stand_in = False
            return float(logs[self.monitor])
        training = self.monitor.removeprefix("val_")
        return float(logs[training]) if self._stand_in and training in logs else None

    def _better(self, value: float) -> bool:
        if math.isnan(value):
            return False
        if self.best is None:
            return True
        return value < self.best if self.monitor.endswith("loss") else value > self.best
