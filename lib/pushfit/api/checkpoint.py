"""`pushfit.Checkpoint`: the model and the position of its stream, in one file.

The file is a `.keras` file as `model.save` writes it, with the state of the run beside the weights.
`keras.models.load_model` loads it, `pushfit.stream(…, state=FILE)` continues after the last batch
that the model was trained on, and `pushfit predict` and `pushfit serve` use it.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import msgspec

from pushfit.adapters.keras import within_strategy
from pushfit.api.stream import BatchStream
from pushfit.errors import ConfigError
from pushfit.runs.checkpoint_state import Best, RunState
from pushfit.tasks.base import TRAIN, VAL
from pushfit.training import checkpoint, hidden_state
from pushfit.training.finite import not_finite
from pushfit.training.fit_data import prepare
from pushfit.training.torch_random import torch_random

log = logging.getLogger("pushfit.stream")


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Callback of `fit` that saves model and position, at each epoch's end and within epochs.

    It also tells the stream which batches were trained on, since Keras reads ahead. A model that
    was loaded from such a file, trained on a stream with `state=FILE`, has the same weights after
    each batch as one that was never interrupted: the random state of its layers is put back, too.
    Give it to every trainer of a run: that of rank 0 writes the file.

    Args:
        stream: the open stream that `fit` reads with `stream.keras`.
        path: file to write, which ends in ".keras". It is replaced as a whole, or not at all.
        every: batches between two saves within an epoch; 0: save at each epoch's end only.

    Raises:
        ConfigError: the path cannot be used.
    """

    def __init__(self, stream: BatchStream, path: str | os.PathLike[str], every: int = 0) -> None:
        super().__init__()
        self.path = Path(os.fspath(path))
        if self.path.suffix != ".keras":
            raise ConfigError(f"{self.path}: the file of a checkpoint must end in .keras")
        if not self.path.parent.is_dir():
            raise ConfigError(f"there is no folder {self.path.parent} for the checkpoint: make it")
        if every < 0:
            raise ConfigError(f"every is {every}: give a number of batches, or 0")
        self._stream, self._every = stream, every
        before = stream.resumed
        if self.path.exists() and (before is None or stream.resumed_from != self.path):
            log.warning(
                "%s exists, and this stream does not continue from it: the first save replaces it. "
                'To continue from it, give pushfit.stream(…, state="%s")',
                *(self.path, self.path),
            )
        self._before = before
        self._taken = before.taken if before else 0
        self._resumed_at = list(before.resumed_at) if before else []
        self._history = {k: list(v) for k, v in before.history.items()} if before else {}
        self._epoch = self._step = self._first = self._validated = 0
        self._metrics: list[Any] | None = None  # of training, while validation uses the same
        self._random = torch_random()
        if within_strategy():  # where `fit` takes batches before it calls any callback
            stream.counts_use()

    # -- hooks of Keras ---------------------------------------------------------------------------

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._stream.counts_use()
        if (before := self._before) is not None:
            prepare(self.model, self._stream.to_fit)  # else the metrics have no variables yet
            hidden_state.put(self.model, before.hidden_state, self._stream.resumed_from)
            if self._random is not None:
                self._random.kept = before.hidden_state.torch
            self._resumed_at.append({"epoch": before.epoch, "step": before.step})

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        before, self._before = self._before, None
        self._epoch, self._step = self._stream.next_training
        if before is not None and before.step and before.step == self._step:
            hidden_state.put_metrics(
                self.model, before.hidden_state.metrics, self._stream.resumed_from
            )
        self._first, self._validated = self._step, 0

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self._random is not None:
            self._random.on_train_batch_begin(batch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self._random is not None:
            self._random.on_train_batch_end(batch)
        # A last call of several steps may be shorter than Keras numbers it.
        step = min(self._first + batch + 1, self._stream.steps(TRAIN))
        count, self._step = step - self._step, step
        self._taken += count
        self._stream.used(self._epoch, TRAIN, step)
        due = self._every and step // self._every > (step - count) // self._every
        if due and not not_finite(logs or {}):  # the one before is worth more than such a model
            self._save()

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if self._step:  # else it is an `evaluate` of its own
            self._metrics = hidden_state.arrays(self.model.metrics_variables)

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self._metrics is not None:
            self._stream.used(self._epoch, VAL, min(batch + 1, self._stream.steps(VAL)))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        for name, value in (logs or {}).items():
            self._history[name] = [*self._history.get(name, []), float(value)]
        self._metrics = None
        self._epoch, self._step = self._epoch + 1, 0
        self._save()

    # -- the file ---------------------------------------------------------------------------------

    def _save(self) -> None:
        if not self._stream.rank:
            checkpoint.save(self.model, self.path, self._state())
            return
        # On JAX the processes of a run read a model together, so that all have to.
        with tempfile.TemporaryDirectory() as unused:
            checkpoint.save(self.model, Path(unused) / self.path.name, self._state())

    def _state(self) -> RunState:
        at = self._stream.state_at(self._epoch, self._step)
        metrics = hidden_state.arrays(self.model.metrics_variables) if self._step else []
        kept = self._random.kept if self._random is not None else None
        return RunState(
            **msgspec.structs.asdict(at),
            taken=self._taken,
            resumed_at=self._resumed_at,
            history=self._history,
            best=Best(),
            waiting=None,
            hidden_state=hidden_state.take(self.model, metrics, kept),
        )
