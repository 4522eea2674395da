"""`--early-stopping`: a run that is not getting better is complete before its last epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras

from pushfit.runs.checkpoint_state import Waiting


class EarlyStopping(keras.callbacks.Callback):  # type: ignore[misc]
    """Stops the training after `patience` epochs in a row that were not better than all before.

    It counts over several `fit`s, and from `before`, its state in a run that is resumed. Use it
    before what writes checkpoints, which keep that state.

    monitor: the metric that is followed, to be minimised when its name ends with "loss", else
        maximised. In an epoch without it, the training metric of the same name stands in.
    patience: 0: it only counts.
    stopped: whether it has ended the training.
    """

    def __init__(self, monitor: str, patience: int, before: Waiting | None = None) -> None:
        super().__init__()
        self.monitor, self.patience = monitor, patience
        before = before or Waiting()
        self._best, self._wait = before.best, before.wait
        self.stopped = False

    def state(self) -> Waiting:
        return Waiting(self._best, self._wait)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        logs = logs or {}
        value = logs.get(self.monitor, logs.get(self.monitor.removeprefix("val_")))
        if value is None:
            return
        if self._better(float(value)):
            self._best, self._wait = float(value), 0
        else:
            self._wait += 1
        if self.patience and self._wait >= self.patience:
            self.stopped = True
            self.model.stop_training = True

    def _better(self, value: float) -> bool:
        if math.isnan(value):
            return False
        if self._best is None:
            return True
        return value < self._best if self.monitor.endswith("loss") else value > self._best
