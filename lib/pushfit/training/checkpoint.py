"""The model on disk: `OUT/last.keras` after every epoch, `OUT/best.keras` when it got better.

Both are whole `.keras` files (structure, weights, optimizer state; and the run's `RunState`) and
are written atomically: a run that dies while it saves, or fills the disk, leaves the checkpoint
from before. best.keras is replaced first: dying between the two leaves a last.keras from which the
same epoch is ended again.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from pushfit.errors import ConfigError
from pushfit.files import replacing
from pushfit.interrupts import unhurried
from pushfit.runs import model_file
from pushfit.runs.checkpoint_state import BEST, LAST, Best, RunState, write
from pushfit.settings.interval import Interval
from pushfit.training.averages import Averages
from pushfit.training.finite import not_finite


def save(
    model: keras.Model, path: Path, state: RunState | None = None, copies: Sequence[Path] = ()
) -> None:
    """Write `model` and `state` to `path` (a `.keras` file), atomically. Raises OutputError.

    copies: where the same is to be written, just before.
    """
    with replacing(path) as temporary:
        model.save(temporary)
        if state is not None:
            write(temporary, state)
        for copy in copies:  # not a second save: half the work, and the same, byte for byte
            with replacing(copy) as second:
                shutil.copyfile(temporary, second)


def load(path: Path, *, compiled: bool = False) -> keras.Model:
    """The model in a `.keras` file; `compiled` with its optimizer's state, to go on training.

    Raises ConfigError. Code in the file (Lambda layers) is refused, not run.
    """
    model_file.check(path)
    try:
        return keras.saving.load_model(path, compile=compiled, safe_mode=True)
    except Exception as error:  # HDF5, JSON and Keras each have their own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"cannot load a model from {path}: {reason}") from error


class Checkpoints(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the two checkpoints at each epoch's end; `save_last` is for Ctrl-C.

    Use it after every callback whose state it saves.

    monitor: a metric to be maximised, or minimised when its name ends with "loss". Until the first
        epoch with validation, the training metric of the same name stands in.
    describe: gives the state to save with the model.
    before: of a run that is resumed.
    averages: of the weights, which best.keras then holds; None: it holds the weights themselves.
    keep_better: keep a copy of the model at each epoch that is better than all before.
    """

    def __init__(
        self,
        out: Path,
        monitor: str,
        describe: Callable[[], RunState] | None = None,
        before: Best | None = None,
        averages: Averages | None = None,
        *,
        keep_better: bool = False,
    ) -> None:
        super().__init__()
        before = before or Best()
        self.out = out
        self.monitor = monitor
        self.best, self._stand_in = before.value, before.stand_in
        self._describe = describe
        self._averages = averages if averages is not None and averages.used else None
        self._keep_better = keep_better

    @property
    def followed(self) -> str:
        """The metric that `best` is of: on the training split where nothing was validated."""
        return self.monitor.removeprefix("val_") if self._stand_in else self.monitor

    def state(self) -> Best:
        return Best(self.best, self._stand_in)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        value = self._value(logs or {})
        better = value is not None and self._better(value)
        if better:
            self.best = value
        copies = [self.out / BEST] if better else []
        if better and self._keep_better:
            copies.append(self.out / f"better-{epoch + 1:04d}.keras")
        self.save_last(copies)

    def save_last(self, copies: Sequence[Path] = ()) -> None:
        """Write OUT/last.keras as the model is now, and copies. Raises OutputError.

        Where the optimizer keeps an average of the weights, the copies hold that.
        """
        with unhurried():
            state = self._describe() if self._describe is not None else None
            if copies and self._averages is not None:
                with self._averages.in_model():
                    save(self.model, copies[0], state, copies[1:])
                copies = ()
            save(self.model, self.out / LAST, state, copies)

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
        if not_finite(logs or {}):
            return  # the one before is worth more
        if self._interval.due(self._batches, time.monotonic() - self._saved):
            self.save_last()

    def save_last(self, copies: Sequence[Path] = ()) -> None:
        super().save_last(copies)
        self._batches, self._saved = 0, time.monotonic()
