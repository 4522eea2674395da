"""`model.fit` over a stream: the model, its callbacks, and what the run writes besides.

Counted here is what was *trained* (steps that Keras reports), beside what the feed handed on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from cfg.base import TrainSettings
from lib.entry import interrupted
from lib.observe import console, sheet
from lib.observe.metrics import Recent
from lib.tasks.base import TRAIN, VAL
from lib.trainer import callbacks, checkpoint, models
from lib.trainer.feed import Batch
from lib.trainer.fit_data import dataset, prepare
from lib.trainer.stream import Stream

SHEET_SAMPLES = 64  # of the first batch, shown in OUT/samples.png


class Steps(keras.callbacks.Callback):  # type: ignore[misc]
    """Counts the training steps that were taken, and stops after one when told to."""

    async_safe = True

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.taken += 1
        if interrupted.is_set():
            raise KeyboardInterrupt


class Fit:
    """One training. Raises ConfigError for a model that does not fit the data."""

    def __init__(self, stream: Stream, settings: TrainSettings, out: Path) -> None:
        self.stream, self.settings, self.out = stream, settings, out
        self.interrupted = False
        self.history: dict[str, list[float]] = {}
        self.steps = Steps()
        task, feed = stream.task, stream.feed
        if settings.mixed_precision:
            models.set_precision("mixed_float16")
        keras.utils.set_random_seed(settings.seed)
        self.model = models.build(
            settings.model,
            classes=len(stream.classes),
            weights=settings.weights,
            dense1=settings.dense1,
            dropout=settings.dropout,
            dense2=settings.dense2,
            highpass=settings.highpass,
            **task.model_needs(),
        )
        models.compile(self.model, settings.optimizer, settings.learning_rate)
        self.monitor = models.monitor(self.model)
        self._draw_sheet(feed.first())
        prepare(self.model, task, feed.first())
        self.recent = Recent(feed, lambda: stream.dispatcher.exchange.generators)
        self.checkpoints = checkpoint.Checkpoints(out, self.monitor)
        self.progress = callbacks.Progress(
            self.recent, console.Live(style=settings.progress), feed.steps(VAL) or None
        )

    def _callbacks(self) -> list[keras.callbacks.Callback]:
        settings = self.settings
        used = [self.steps, self.checkpoints, self.progress]
        if settings.plateau_patience:
            used.append(
                callbacks.Plateau(self.monitor, settings.plateau_factor, settings.plateau_patience)
            )
        used.append(callbacks.History(self.out / "history.csv", self.recent))
        if settings.tensorboard:
            used.append(callbacks.tensorboard(self.out / "tensorboard"))
        return used

    def run(self) -> None:
        """Train all epochs."""
        feed, task = self.stream.feed, self.stream.task
        try:
            history = self.model.fit(
                dataset(feed, task, TRAIN),
                epochs=self.settings.epochs,
                steps_per_epoch=feed.steps(TRAIN),
                validation_data=dataset(feed, task, VAL),
                validation_steps=feed.steps(VAL) or None,
                callbacks=self._callbacks(),
                shuffle=False,  # the order is the plan's
                verbose=0,
            )
        except Exception as error:
            # What ends the stream reaches us through the back end's input pipeline, wrapped.
            if (failure := self.stream.dispatcher.failure) is not None:
                raise failure from error
            raise
        finally:
            self.progress.close()
        self.history = history.history

    def save_interrupted(self) -> None:
        """After Ctrl-C: keep the model as it is now in OUT/last.keras."""
        self.interrupted = True
        self.checkpoints.save_last()

    def metrics(self) -> dict[str, Any]:
        """For report.json: the last epoch's figures, the best monitored one, steps trained."""
        last = {name: round(float(values[-1]), 6) for name, values in self.history.items()}
        return {**last, "monitor": self.monitor, "best": self.checkpoints.best,
                "steps_trained": self.steps.taken}  # fmt: skip

    def summary(self) -> str:
        """The last lines that a person reads."""
        lines = []
        if self.interrupted:
            lines.append(
                f"Interrupted after {self.steps.taken} steps; the model as it was then is kept."
            )
        if (best := self.checkpoints.best) is not None:
            where = "held-out" if self.monitor.startswith("val_") else "training"
            last = self.history.get(self.monitor, [])
            then = f" (best of {len(last)} epochs; the last: {last[-1]:.1%})" if last else ""
            lines.append(f"Best {where} accuracy: {best:.1%}{then}")
        lines.append(f"The run's files: {self.out}/ (look at samples.png first)")
        return "\n".join(lines)

    def _draw_sheet(self, batch: Batch) -> None:
        shown = min(SHEET_SAMPLES, len(next(iter(batch.arrays.values()))))
        captions = [
            self.stream.task.caption(batch.arrays, row, self.stream.classes) for row in range(shown)
        ]
        images = self.stream.task.pictures(batch.arrays)
        if images is not None:
            sheet.contact_sheet(images[:shown], captions, self.out / "samples.png")
