"""How far training is: what Keras has trained on, not what it has read ahead."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from lib.interrupts import interrupted
from lib.trainer import extras
from lib.trainer.state import Array, State


class Trained(keras.callbacks.Callback):  # type: ignore[misc]
    """The position, the logs of epochs that are over; and the place where Ctrl-C takes effect.

    Use it as the first callback: the others then see the position that they are called at.
    before, path: the state of a run that is resumed, and where it came from.

    epoch, step: `step` batches of `epoch` are trained on. All of them: validation is not over.
    taken: steps of the whole run.
    """

    async_safe = True

    def __init__(self, before: State | None = None, path: Path | None = None) -> None:
        super().__init__()
        self.epoch = before.epoch if before else 0
        self.step = before.step if before else 0
        self.taken = before.taken if before else 0
        self.history = dict(before.history) if before else {}
        self._before, self._path = before, path
        self._metrics: list[Array] | None = None  # of training, while validation uses the same

    def metrics(self) -> list[Array]:
        """The model's metrics over the steps of this epoch so far."""
        if not self.step:
            return []
        return extras.arrays(self.model.metrics_variables) if self._metrics is None else (
            self._metrics
        )  # fmt: skip

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        before, self._before = self._before, None
        if before is not None and before.step:
            assert self._path is not None
            extras.put_metrics(self.model, before.extras.metrics, self._path)
        else:
            self.epoch, self.step = epoch, 0
        _stop_if_told()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.step += 1
        self.taken += 1
        _stop_if_told()

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._metrics = self.metrics()

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        _stop_if_told()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        for name, value in (logs or {}).items():
            self.history[name] = [*self.history.get(name, []), float(value)]
        self.epoch, self.step, self._metrics = epoch + 1, 0, None


def _stop_if_told() -> None:
    if interrupted.is_set():
        raise KeyboardInterrupt
