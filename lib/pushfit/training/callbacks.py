"""What Keras's `fit` tells us along the way: progress, history, learning rate, TensorBoard.

Keras hands batch hooks figures that it must first fetch from the device. On the JAX and PyTorch
back ends it can do so in a thread, but only if every callback with batch hooks says that it is
`async_safe`. On TensorFlow it fetches them after every execution, whatever the callbacks are:
there `steps_per_execution` is what keeps steps from waiting.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from pushfit.errors import OutputError
from pushfit.observe import console
from pushfit.observe.console import Live
from pushfit.observe.steps import Steps
from pushfit.runs.checkpoint_state import Waiting
from pushfit.runs.outputs import write_text
from pushfit.streams.advising import Adviser
from pushfit.tasks.base import TRAIN, VAL
from pushfit.training.tracking import Tracker

Figures = Callable[[], Mapping[str, float]]
"""Gives "patches_per_second", "stall_share" (0 to 1); of a fleet "generators". For any thread."""

FLEET = "patches_per_second", "stall_share", "generators"
FIRST = (
    "epoch", "seconds", "patches_per_second", "stall_share", "generators", "learning_rate"
)  # fmt: skip


class History(keras.callbacks.Callback):  # type: ignore[misc]
    """`OUT/history.csv`: a row an epoch, with every metric; epochs count from 1.

    The file is written anew each epoch, atomically: it is small, and a metric that first comes
    in a later epoch (validation every few epochs) then still gets its column. A resumed run keeps
    the rows of the epochs before it. `figures` are those since its last call. Raises OutputError.
    """

    def __init__(
        self, path: Path, figures: Figures, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self.path = path
        self.figures = figures
        self.rows: list[dict[str, Any]] | None = None
        self._clock = clock
        self._began = clock()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._began = self._clock()
        self.figures()  # the next ones are of this epoch
        if self.rows is None:
            self.rows = _rows_before(epoch, self.path)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        figures = self.figures()
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        row: dict[str, Any] = {
            "epoch": epoch + 1,
            "seconds": round(self._clock() - self._began, 3),
            "patches_per_second": _rounded(figures, "patches_per_second", 1),
            "stall_share": _rounded(figures, "stall_share", 4),
            "generators": int(figures.get("generators", 0)),
        }
        # Plateau may have lowered the rate before us; its log entry is the one this epoch had.
        row |= {"learning_rate": float(rate)} | dict(logs or {})
        self.rows = [*(self.rows or []), row]
        columns = list(FIRST)
        for each in self.rows:
            columns += [key for key in each if key not in columns]
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())


def _rounded(figures: Mapping[str, float], name: str, digits: int) -> float | str:
    """The figure; ``""`` where there is none, as nothing was counted."""
    return round(figures[name], digits) if name in figures else ""


def _rows_before(epoch: int, path: Path) -> list[dict[str, Any]]:
    """The rows of an existing history that come before `epoch`; none for a new run."""
    if epoch == 0 or not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows: list[dict[str, Any]] = list(csv.DictReader(file))
        return [row for row in rows if int(row["epoch"]) <= epoch]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise OutputError(
            f"cannot read the history of the run before, {path} ({error}): "
            "move it away, and the history starts at the resumed epoch"
        ) from error


class Tracking(keras.callbacks.Callback):  # type: ignore[misc]
    """Hands the newest row of the history to the tracker; use it after `History`."""

    def __init__(self, tracker: Tracker, history: History) -> None:
        super().__init__()
        self._tracker, self._history = tracker, history

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        assert self._history.rows is not None  # History began this epoch
        row = self._history.rows[-1]
        figures = {key: float(value) for key, value in row.items() if value != ""}
        self._tracker.metrics(int(figures.pop("epoch")), figures)


class Plateau(keras.callbacks.ReduceLROnPlateau):  # type: ignore[misc]
    """Keras's ReduceLROnPlateau; follows the training metric in epochs without validation.

    It counts on over several `fit`s, and from `before`, its state in a run that is resumed.
    """

    def __init__(
        self,
        monitor: str,
        factor: float = 0.5,
        patience: int = 5,
        min_lr: float = 1e-6,
        before: Waiting | None = None,
    ) -> None:
        mode = "min" if monitor.endswith("loss") else "max"
        super().__init__(monitor, factor=factor, patience=patience, min_lr=min_lr, mode=mode)
        self._training = monitor.removeprefix("val_")
        before = before or Waiting()
        self.best, self.wait, self.cooldown_counter = before.best, before.wait, before.cooldown

    def state(self) -> Waiting:
        best = None if self.best is None else float(self.best)
        return Waiting(best, int(self.wait), int(self.cooldown_counter))

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        pass  # Keras would start counting anew

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        if self.monitor in logs or self._training not in logs:
            super().on_epoch_end(epoch, logs)
            return
        stand_in = {self.monitor: logs[self._training]}
        super().on_epoch_end(epoch, stand_in)
        logs["learning_rate"] = stand_in["learning_rate"]


def no_tensorboard() -> str:
    """Why there can be no logs for TensorBoard, or ``""``.

    Keras writes them through TensorFlow, and TensorFlow through the tensorboard package, which
    it no longer brings along.
    """
    if (name := keras.backend.backend()) != "tensorflow":
        return (
            f"no TensorBoard logs: Keras writes them through TensorFlow, and this is {name}; "
            "history.csv has the same figures"
        )
    if importlib.util.find_spec("tensorboard") is None:
        return "no TensorBoard logs: the package is not installed (pip install tensorboard)"
    return ""


def tensorboard(out: Path, history: History) -> keras.callbacks.Callback:
    """Logs for TensorBoard in `out`: all that `history` has, where `no_tensorboard` says nothing"""
    return _Epochs(str(out), history)


class _Epochs(keras.callbacks.TensorBoard):  # type: ignore[misc]
    """Keras's, which writes once an epoch, without the work it does at each batch for nothing.

    Use it after `history`, whose figures of the fleet it writes as well.
    """

    def __init__(self, out: str, history: History) -> None:
        super().__init__(out, write_graph=False)
        self._history = history

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        assert self._history.rows is not None  # History began this epoch
        row = self._history.rows[-1]
        fleet = {name: row[name] for name in FLEET if row[name] != ""}
        super().on_epoch_end(epoch, {**(logs or {}), **fleet})

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        pass


class Advising(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells the adviser when steps end, and people what it says; use it after `Progress`.

    warm: called once, after the first step of this process, which has compiled the model.
    """

    async_safe = True

    def __init__(
        self, steps: Steps, adviser: Adviser, live: Live, warm: Callable[[], None]
    ) -> None:
        super().__init__()
        self._steps, self._adviser, self._live = steps, adviser, live
        self._warm: Callable[[], None] | None = warm
        self._done = 0  # batches of this epoch, or validation

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._begin()

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._begin()

    def _begin(self) -> None:
        self._done = 0
        self._steps.begun(time.monotonic())

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._ended(TRAIN, batch)
        if news := self._adviser.news():
            self._live.say(news)

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._ended(VAL, batch)

    def _ended(self, split: str, batch: int) -> None:
        count, self._done = batch + 1 - self._done, max(self._done, batch + 1)
        self._steps.ended(split, max(0, count), time.monotonic())
        if split == TRAIN:
            self._adviser.began()
            if (warm := self._warm) is not None:
                self._warm = None
                warm()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if advice := self._adviser.epoch():
            self._live.say(advice)


class Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """Live progress of training and validation; use it with `fit(…, verbose=0)`.

    figures: those of now. over_epoch: those since its last call.
    validation_steps: batches of the validation split, when known.
    done_before: batches of the first epoch that an earlier process has trained on.
    Call `close` in a `finally`, so that Ctrl-C leaves a clean line.
    """

    async_safe = True

    def __init__(
        self,
        figures: Figures,
        live: Live | None = None,
        validation_steps: int | None = None,
        done_before: int = 0,
        over_epoch: Figures | None = None,
    ) -> None:
        super().__init__()
        self.figures = figures
        self._over_epoch = over_epoch or figures
        self.live = live if live is not None else Live()
        self.validation_steps = validation_steps
        self._done_before = done_before
        self._lock = threading.Lock()
        self._phase = ""
        self._done = 0
        self._total: int | None = None
        self._epoch: str | None = None
        self._began = 0.0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch = f"epoch {epoch + 1}/{self.params['epochs']}"
        self._began = time.monotonic()
        self._over_epoch()
        self._enter("train", self._epoch, self.params.get("steps"))

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._step("train", self._done_before + batch, logs or {})

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        label = f"{self._epoch} validation" if self._epoch else "evaluation"
        self._enter("test", label, self.validation_steps)

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._step("test", batch, logs or {})

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._leave()
        if self._epoch is None:
            self.live.say(f"evaluation: {_metrics(logs or {})}")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._leave()
        seconds = time.monotonic() - self._began
        facts = f"{_metrics(logs or {})}, {console.fleet(self._over_epoch())}, {seconds:.0f} s"
        self.live.end(f"{self._epoch}: {facts}")
        self._epoch, self._done_before = None, 0

    def close(self) -> None:
        """Take the bar off the terminal."""
        self._leave()

    def _enter(self, phase: str, label: str, total: int | None) -> None:
        with self._lock:
            self._phase, self._done, self._total = phase, 0, total
            self.live.begin(label, total)

    def _leave(self) -> None:
        with self._lock:
            self._phase = ""
            self.live.close()

    def _step(self, phase: str, batch: int, logs: Mapping[str, Any]) -> None:
        # Hooks come from a pool of threads: in any order, and late ones after the phase is over.
        with self._lock:
            if phase != self._phase:
                return
            done = batch + 1  # Keras numbers a call of several steps as if none were missing
            self._done = max(self._done, done if self._total is None else min(done, self._total))
            if self.live.due():
                self.live.update(self._done, f"{_metrics(logs)}, {console.fleet(self.figures())}")


def _metrics(logs: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {float(value):.4g}" for key, value in logs.items())
