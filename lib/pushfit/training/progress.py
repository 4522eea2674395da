"""How far training is: what Keras has trained on, not what it has read ahead."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from pushfit.interrupts import interrupted
from pushfit.runs.checkpoint_state import Array, RunState
from pushfit.tasks.base import TRAIN, VAL
from pushfit.training import hidden_state


class Trained(keras.callbacks.Callback):  # type: ignore[misc]
    """The position, the logs of epochs that are over; and the place where Ctrl-C takes effect.

    Use it as the first callback: the others then see the position that they are called at. Steps
    are counted by the numbers that Keras gives them: a call may be of several
    (`steps_per_execution`), and hooks that run in threads come in any order.

    before, path: the state of a run that is resumed, and where it came from.
    lengths: {split: batches of an epoch}. A call of several steps that is an epoch's last one may
        be shorter, and Keras numbers its end as if it were not.

    epoch, step: `step` batches of `epoch` are trained on. All of them: validation is not over.
    taken: steps of the whole run; steps: {split: steps of each epoch that is over}.
    """

    async_safe = True

    def __init__(
        self,
        before: RunState | None = None,
        path: Path | None = None,
        lengths: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        self._lengths = lengths or {}
        self.epoch = before.epoch if before else 0
        self.step = before.step if before else 0
        self.taken = before.taken if before else 0
        self.history = dict(before.history) if before else {}
        kept = before.steps if before else {}
        self.steps = {split: list(kept.get(split, ())) for split in (TRAIN, VAL)}
        self.validated = 0  # batches of the validation under way
        self._before, self._path = before, path
        self._first = self.step  # steps of this epoch that an earlier `fit` has done
        self._metrics: list[Array] | None = None  # of training, while validation uses the same
        self._lock = threading.Lock()

    def metrics(self) -> list[Array]:
        """The model's metrics over the steps of this epoch so far."""
        if not self.step:
            return []
        return hidden_state.arrays(self.model.metrics_variables) if self._metrics is None else (
            self._metrics
        )  # fmt: skip

    def of(self, split: str, epoch: int) -> int:
        """Batches of `split` in `epoch` (from 0) that were trained on, or evaluated."""
        if epoch < len(self.steps[split]):
            return self.steps[split][epoch]
        if epoch > self.epoch:
            return 0
        return self.step if split == TRAIN else self.validated

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        before, self._before = self._before, None
        if before is not None and before.step:
            assert self._path is not None
            hidden_state.put_metrics(self.model, before.hidden_state.metrics, self._path)
        else:
            self.epoch, self.step = epoch, 0
        self._first = self.step
        _stop_if_told()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        with self._lock:
            step = max(self.step, self._within(TRAIN, self._first + batch + 1))
            self.taken += step - self.step
            self.step = step
        _stop_if_told()

    def _within(self, split: str, step: int) -> int:
        return min(step, self._lengths.get(split, step))

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._metrics, self.validated = self.metrics(), 0

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        with self._lock:
            self.validated = max(self.validated, self._within(VAL, batch + 1))
        _stop_if_told()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        for name, value in (logs or {}).items():
            self.history[name] = [*self.history.get(name, []), float(value)]
        self.steps[TRAIN].append(self.step)
        self.steps[VAL].append(self.validated)
        self.epoch, self.step, self.validated, self._metrics = epoch + 1, 0, 0, None


def _stop_if_told() -> None:
    if interrupted.is_set():
        raise KeyboardInterrupt
