"""The model on disk: `OUT/last.keras` after every epoch, `OUT/best.keras` when it got better.

Both are whole `.keras` files (structure, weights, optimizer state; and the run's `State`) and are
written atomically: a run that dies while it saves, or fills the disk, leaves the checkpoint from
before. best.keras is replaced first: dying between the two leaves a last.keras from which the same
epoch is ended again.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from cfg.interval import Interval
from lib.errors import ConfigError
from lib.files import replacing
from lib.interrupts import unhurried
from lib.trainer.state import BEST, LAST, Best, State, write


def save(
    model: keras.Model, path: Path, state: State | None = None, copy: Path | None = None
) -> None:
    """Write `model` and `state` to `path` (a `.keras` file), atomically. Raises OutputError.

    copy: where the same is to be written, just before.
    """
    with replacing(path) as temporary:
        model.save(temporary)
        if state is not None:
            write(temporary, state)
        if copy is not None:  # not a second save: half the work, and the same, byte for byte
            with replacing(copy) as second:
                shutil.copyfile(temporary, second)


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

    Use it after every callback whose state it saves.

    monitor: a metric to be maximised, or minimised when its name ends with "loss". Until the first
        epoch with validation, the training metric of the same name stands in.
    describe: gives the state to save with the model.
    before: of a run that is resumed.
    """

    def __init__(
        self,
        out: Path,
        monitor: str,
        describe: Callable[[], State] | None = None,
        before: Best | None = None,
    ) -> None:
        super().__init__()
        before = before or Best()
        self.out = out
        self.monitor = monitor
        self.best, self._stand_in = before.value, before.stand_in
        self._describe = describe

    def state(self) -> Best:
        return Best(self.best, self._stand_in)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        value = self._value(logs or {})
        better = value is not None and self._better(value)
        if better:
            self.best = value
        self.save_last(self.out / BEST if better else None)

    def save_last(self, copy: Path | None = None) -> None:
        """Write OUT/last.keras as the model is now, and a copy. Raises OutputError."""
        with unhurried():
            state = self._describe() if self._describe is not None else None
            save(self.model, self.out / LAST, state, copy)

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


class FrequentCheckpoints(Checkpoints):
    """Saves within epochs as well.

    A class of its own: that it has a batch hook makes Keras hand out every step's figures before
    the next step, where the back end would else run ahead.
    """

    def __init__(self, interval: Interval, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._interval = interval
        self._batches, self._saved = 0, time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._batches += 1
        if self._interval.due(self._batches, time.monotonic() - self._saved):
            self.save_last()

    def save_last(self, copy: Path | None = None) -> None:
        super().save_last(copy)
        self._batches, self._saved = 0, time.monotonic()
