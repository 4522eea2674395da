"""`model.fit` over a stream: the model, its callbacks, and what the run writes besides.

A run that is resumed within an epoch goes on in a `fit` for the rest of that epoch, and in another
for the epochs after it; one that is resumed before an epoch's validation begins with that.
"""

from __future__ import annotations

import math
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import keras

from cfg.base import TrainSettings
from lib import interrupts
from lib.errors import ConfigError, PushFitError, TaskError
from lib.interrupts import interrupted
from lib.observe import console, sheet
from lib.observe.metrics import SPAN_SECONDS, Recent
from lib.tasks import checks, identity
from lib.tasks.base import TRAIN, VAL
from lib.trainer import callbacks, checkpoint, extras, models, schedules, tracking
from lib.trainer.feed import Batch
from lib.trainer.fit_data import dataset, prepare
from lib.trainer.opened import Opened
from lib.trainer.state import BEST, LAST, State
from lib.trainer.trained import Trained

SWITCH_SECONDS = 0.0002  # Python's own 5 ms let the feed keep a step waiting that long, and back
TRACKED = (BEST, "samples.png", "report.json", "history.csv", "config.json", "quarantine.jsonl")
SHEET_SAMPLES = 64  # of the first batch, shown in OUT/samples.png


class Fit:
    """One training. Raises ConfigError for a model that does not fit the data."""

    def __init__(
        self, stream: Opened, settings: TrainSettings, out: Path, fixed: dict[str, str]
    ) -> None:
        self.stream, self.settings, self.out, self._fixed = stream, settings, out, fixed
        self.interrupted = False
        feed, before = stream.feed, stream.before
        if settings.mixed_precision:
            models.set_precision("mixed_float16")
        keras.utils.set_random_seed(settings.seed)
        rate = schedules.rate(settings, settings.epochs * feed.steps(TRAIN))
        self.model = checkpoint.load(out / LAST, compiled=True) if before else self._build(rate)
        if before is not None and settings.schedule != "constant":
            self.model.optimizer.learning_rate = rate  # it may have other epochs now
        self.monitor = models.monitor(self.model)
        if before is None:
            self._draw_sheet(feed.first())
        self._try_out()
        self.trained = Trained(before, out / LAST)
        self._saved = (self.trained.epoch, self.trained.step) if before else None
        self._resumed_at = list(before.resumed_at) if before else []
        self.checkpoints = self._checkpoints(before)
        self.plateau = callbacks.Plateau(
            self.monitor,
            settings.plateau_factor,
            settings.plateau_patience,
            before=before.waiting if before else None,
        )
        self.progress = callbacks.Progress(
            self._figures(),
            console.Live(style=settings.progress),
            feed.steps(VAL) or None,
            self.trained.step,
            self._figures(span=0),
        )
        self.tracker = self._tracker()
        self._callbacks = self._listed()
        if before is not None:
            self._resumed_at.append({"epoch": before.epoch, "step": before.step})
            print(f"Resuming run {before.run} at {self._place()}")
            extras.put(self.model, before.extras, out / LAST)

    def _build(self, rate: schedules.Rate) -> keras.Model:
        settings, task = self.settings, self.stream.task
        model = self._own_model()
        if model is None:
            model = models.build(
                settings.model,
                classes=len(self.stream.classes),
                weights=settings.weights,
                dense1=settings.dense1,
                dropout=settings.dropout,
                dense2=settings.dense2,
                highpass=settings.highpass,
                **task.model_needs(),
            )
        models.compile(model, settings.optimizer, rate, task.loss, metrics=task.metrics)
        return model

    def _own_model(self) -> keras.Model | None:
        """The model that the task builds itself, if it does. Raises ConfigError and TaskError."""
        task = self.stream.task
        model = checks.called(task, "build_model", len(self.stream.classes))
        if model is None:
            return None
        if not isinstance(model, keras.Model):
            raise TaskError(f"task {task.name}: build_model() returned {model!r}, no keras.Model")
        if self.settings.weights != "none":
            raise ConfigError(
                f"--weights {self.settings.weights}: task {task.name} builds a model of its own, "
                "which they are not for: leave --weights out"
            )
        weights = f", {model.count_params():,} weights" if model.built else ""
        print(f"The model is the task's own: {model.name}{weights}")
        return model

    def _try_out(self) -> None:
        """One step without samples. Raises TaskError where a user's task and model do not fit."""
        task, specs, model = self.stream.task, self.stream.feed.specs, self.model
        try:
            prepare(model, task, specs)
        except Exception as error:
            if not task.source:
                raise
            shapes = ""
            if getattr(model, "inputs", None):  # not of a subclass
                shapes = f": it takes {model.input_shape} and gives {model.output_shape}"
            raise TaskError(
                f"task {task.name}: the model {model.name} cannot be trained on what to_fit() "
                f"returns, {checks.shown(task, specs)}{shapes}. Keras says "
                f"{type(error).__name__}: {_plainly(error)}"
            ) from error

    def _checkpoints(self, before: State | None) -> checkpoint.Checkpoints:
        given = (self.out, self.monitor, self._state, before.best if before else None)
        interval = self.settings.interval
        if interval.due(2**62, math.inf):
            return checkpoint.FrequentCheckpoints(interval, *given)
        return checkpoint.Checkpoints(*given)

    def _figures(self, span: float = SPAN_SECONDS) -> Recent:
        source = self.stream.source
        return Recent(self.stream.feed, lambda: source.generators, span=span)

    def _tracker(self) -> tracking.Tracker | None:
        settings = self.settings
        if not settings.mlflow:
            return None
        return tracking.Tracker(
            settings.mlflow,
            experiment=self.stream.task.name,
            run=self.stream.run,
            name=self.out.name,
            params=self._fixed | {"epochs": str(settings.epochs)},
        )

    def _listed(self) -> keras.callbacks.CallbackList:
        """One list for every `fit` of the run, with the run's own numbers."""
        stream = self.stream
        advising = callbacks.Advising(stream.feed.step_times, stream.adviser, self.progress.live)
        used = [self.trained, self.progress, advising]
        if self.settings.plateau_patience and self.settings.schedule == "constant":
            used.append(self.plateau)
        history = callbacks.History(self.out / "history.csv", self._figures(span=0))
        used.append(history)
        if self.tracker is not None:
            used.append(callbacks.Tracking(self.tracker, history))
        if self.settings.tensorboard:
            used.append(callbacks.tensorboard(self.out / "tensorboard"))
        used.append(self.checkpoints)
        return keras.callbacks.CallbackList(
            used,
            add_history=True,  # `fit` returns it
            model=self.model,
            epochs=self.settings.epochs,
            steps=self.stream.feed.steps(TRAIN),
            verbose=0,
        )

    def run(self) -> None:
        """Train from where the run stands to its last epoch.

        Raises KeyboardInterrupt after Ctrl-C, once the model is saved.
        """
        sys.setswitchinterval(SWITCH_SECONDS)
        advice = f". To go on from its last checkpoint: {self._again()}"
        with interrupts.gently(self._end_waits, advice):
            try:
                self._train()
            except (Exception, KeyboardInterrupt) as error:
                if interrupted.is_set():
                    self.progress.close()
                    self._save_interrupted()
                    self._callbacks.on_train_end()  # TensorBoard writes out what it holds
                    raise KeyboardInterrupt from None
                self.end_tracking("FAILED")
                # What ends the stream reaches us through the back end's input pipeline, wrapped.
                if (failure := self.stream.source.failure) is not None:
                    raise failure from error
                raise
            finally:
                self.progress.close()

    def _end_waits(self) -> None:
        """Nobody waits for the fleet any more, nor does TensorFlow, which Python cannot stop."""
        self.stream.source.abort(PushFitError("the run was interrupted"))

    def _train(self) -> None:
        trained, steps = self.trained, self.stream.feed.steps(TRAIN)
        if trained.step == steps:
            self._finish_epoch()
        elif trained.step:
            self._fit(trained.epoch + 1, steps - trained.step)
        if trained.epoch < self.settings.epochs:
            self._fit(self.settings.epochs, None)

    def _fit(self, stop: int, only: int | None) -> None:
        """Train up to epoch `stop`; `only`: so many batches, of one epoch."""
        feed, task = self.stream.feed, self.stream.task
        self.model.fit(
            dataset(feed, task, TRAIN, only),
            initial_epoch=self.trained.epoch,
            epochs=stop,
            steps_per_epoch=only or feed.steps(TRAIN),
            validation_data=dataset(feed, task, VAL),
            validation_steps=feed.steps(VAL) or None,
            callbacks=self._callbacks,
            shuffle=False,  # the order is the plan's
            verbose=0,
        )

    def _finish_epoch(self) -> None:
        """What `fit` does once an epoch's last batch is trained on."""
        feed, epoch, listed = self.stream.feed, self.trained.epoch, self._callbacks
        listed.on_train_begin()
        listed.on_epoch_begin(epoch)  # puts the epoch's metrics back
        logs = dict(self.model.get_metrics_result())
        if feed.steps(VAL):
            held_out = self.model.evaluate(
                dataset(feed, self.stream.task, VAL),
                steps=feed.steps(VAL),
                callbacks=listed,
                return_dict=True,
                verbose=0,
            )
            logs |= {f"val_{name}": value for name, value in held_out.items()}
        listed.on_epoch_end(epoch, logs)
        listed.on_train_end(logs)

    def _state(self) -> State:
        """For the checkpoint that is being written."""
        trained, reference = self.trained, self.stream.reference
        self._saved = trained.epoch, trained.step
        return State(
            run=self.stream.run,
            settings=self._fixed,
            source=identity.source_with(self.stream.task.source),
            classes=reference.classes,
            counts=reference.counts,
            fingerprint=reference.fingerprint,
            epoch=trained.epoch,
            step=trained.step,
            taken=trained.taken,
            resumed_at=self._resumed_at,
            history=trained.history,
            best=self.checkpoints.state(),
            waiting=self.plateau.state(),
            extras=extras.take(self.model, trained.metrics()),
            audited=self.stream.feed.audited(trained.epoch, trained.step),
            given_up=self.stream.given_up,
        )

    def _save_interrupted(self) -> None:
        """Keep the model as it is now in OUT/last.keras, unless that is what is in there."""
        self.interrupted = True
        trained = self.trained
        if (trained.epoch, trained.step) == self._saved:
            return
        if trained.step and self.settings.order == "arrival":
            return  # nothing to go on from: see TrainSettings
        self.checkpoints.save_last()

    def end_tracking(self, status: str = "FINISHED") -> str:
        """Hand MLflow the run's files and how it ended. Returns what to tell people of it."""
        if self.tracker is None:
            return ""
        if self.interrupted:  # the run may come back, and a person waits
            return self.tracker.close("KILLED", hasty=True)
        return self.tracker.close(status, [self.out / name for name in TRACKED])

    def metrics(self) -> dict[str, Any]:
        """For report.json: the last epoch's figures, the best monitored one, steps trained."""
        last = {name: round(values[-1], 6) for name, values in self.trained.history.items()}
        return {**last, "monitor": self.monitor, "best": self.checkpoints.best,
                "steps_trained": self.trained.taken, "resumed_at": self._resumed_at}  # fmt: skip

    def _again(self) -> str:
        return f"python train_zmq.py --resume --out {shlex.quote(str(self.out))}"

    def _place(self) -> str:
        """Where training goes on, for people, who count from 1."""
        trained, steps = self.trained, self.stream.feed.steps(TRAIN)
        if trained.step == steps:
            return f"the validation of epoch {trained.epoch + 1}"
        return f"epoch {trained.epoch + 1}, batch {trained.step + 1:,} of {steps:,}"

    def summary(self) -> str:
        """The last lines that a person reads."""
        lines = []
        if self.interrupted:
            taken = f"Interrupted after {self.trained.taken:,} steps"
            if self._saved == (self.trained.epoch, self.trained.step):
                lines.append(f"{taken}; the model as it was then is kept.")
            elif self._saved:
                lines.append(f"{taken}; kept is the model as it was saved last.")
            else:
                lines.append(f"{taken}; no model is kept yet.")
            lines.append(f"To go on: {self._again()}")
        if (best := self.checkpoints.best) is not None:
            where = "held-out" if self.monitor.startswith("val_") else "training"
            last = self.trained.history.get(self.monitor, [])
            what = "accuracy" if self.monitor.endswith("accuracy") else "loss"
            show = "{:.1%}".format if what == "accuracy" else "{:.4g}".format
            then = f" (best of {len(last)} epochs; the last: {show(last[-1])})" if last else ""
            lines.append(f"Best {where} {what}: {show(best)}{then}")
        lines.append(self.stream.adviser.report()["advice"])
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


def _plainly(error: Exception) -> str:
    """What Keras says, without its colours and the list of what a layer was called with."""
    text = re.sub(r"\x1b\[\d*m", "", str(error)).partition("Arguments received by")[0]
    return " ".join(text.split())[:600]
