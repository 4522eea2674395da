"""`model.fit` over a stream: the model, its callbacks, and what the run writes besides.

A run that is resumed within an epoch goes on in a `fit` for the rest of that epoch, and in another
for the epochs after it; one that is resumed before an epoch's validation begins with that.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Collection
from pathlib import Path

import keras
from msgspec import UNSET

from pushfit import interrupts
from pushfit.adapters.to_fit import ToFit
from pushfit.errors import PushFitError
from pushfit.feed.feed import Batch
from pushfit.interrupts import interrupted
from pushfit.observe import console, sheet
from pushfit.observe.metrics import SPAN_SECONDS, Recent
from pushfit.runs.checkpoint_state import BEST, LAST, RunState
from pushfit.settings.programs.train import TrainSettings
from pushfit.streams.stream import Stream
from pushfit.tasks import compatibility
from pushfit.tasks.base import TRAIN, VAL
from pushfit.text import one_line
from pushfit.training import (
    callbacks,
    checkpoint,
    finite,
    hidden_state,
    last_batch,
    mlmodel,
    models,
    own_loss,
    schedules,
    targets,
    telling,
    tracking,
    user_callbacks,
)
from pushfit.training.averages import Averages
from pushfit.training.devices import Devices, Evening
from pushfit.training.early_stopping import EarlyStopping
from pushfit.training.fit_data import dataset
from pushfit.training.progress import Trained
from pushfit.training.run_model import RunModel, try_out
from pushfit.training.torch_random import torch_random
from pushfit.training.user_code import UserCode

log = logging.getLogger("pushfit.trainer")

SWITCH_SECONDS = 0.0002  # Python's own 5 ms let the feed keep a step waiting that long, and back
TRACKED = (BEST, "samples.png", "report.json", "history.csv", "config.json", "quarantine.jsonl")
SUMMARY_WIDTH = 100  # columns of --summary, wherever its output goes
SHEET_SAMPLES = 64  # of the first batch, shown in OUT/samples.png


class Fit:
    """One training. before: the run that is resumed, if one is. code: what the settings name.

    devices: those that train, in whose scope this is called, and `run`; None: one device.

    Raises ConfigError for a model, or a setting, that does not fit the data.
    """

    def __init__(
        self,
        stream: Stream,
        settings: TrainSettings,
        out: Path,
        fixed: dict[str, str],
        changed: Collection[str] = (),
        before: RunState | None = None,
        code: UserCode | None = None,
        devices: Devices | None = None,
    ) -> None:
        self.devices = devices = devices or Devices(())
        self.stream, self.settings, self.out, self._fixed = stream, settings, out, fixed
        self.interrupted = False
        self.stopped = False  # by the model or a callback, before the last epoch
        feed = stream.feed
        if settings.mixed_precision:
            models.set_precision("mixed_float16")
        keras.utils.set_random_seed(settings.seed)
        feed.step_times.ahead = keras.backend.backend() == "tensorflow"
        rate = schedules.rate(settings, feed.steps(TRAIN))
        made = RunModel(stream.task, settings, stream.classes, feed.specs, code or UserCode())
        self._compiled = made.compiled
        if before is not None:
            made.register()
            self.model = checkpoint.load(out / LAST, compiled=True)
            made.follow(self.model, rate, changed)
        else:
            self.model = made.build(rate)
        devices.take(self.model)
        self._to_fit = ToFit(stream.task, feed.specs, self.model)
        of = targets.of_splits(self._to_fit, settings, stream)
        self._of = last_batch.shared(self.model, of, feed, devices)
        self.monitor = models.monitor(self.model)
        if before is None:
            self._draw_sheet(feed.first())
        try_out(self.model, stream.task, feed.specs, self._of[TRAIN], ours=made.is_ours)
        own_loss.divide(self.model, self._of[TRAIN], devices)
        called = f"{self.model.name}{made.whose}"
        log.info("Model     %s, %s", called, telling.parameters(self.model))
        if settings.summary:
            self.model.summary(line_length=SUMMARY_WIDTH, print_fn=print)
        lengths = {split: stream.feed.steps(split) for split in (TRAIN, VAL)}
        self.trained = Trained(before, out / LAST, lengths)
        self.saved = (self.trained.epoch, self.trained.step) if before else None
        self._random = torch_random()
        self.resumed_at = list(before.resumed_at) if before else []
        self.averages = Averages(self.model)
        self.checkpoints = self._checkpoints(before)
        self.plateau = callbacks.Plateau(
            self.monitor,
            settings.plateau_factor,
            settings.plateau_patience,
            before=before.waiting if before else None,
        )
        self.early = EarlyStopping(
            self.monitor, settings.early_stopping, before.stopping if before else None
        )
        self._epoch_figures, self._history_figures = self._figures(span=0), self._figures(span=0)
        self.progress = callbacks.Progress(
            self._figures(),
            console.Live(style=settings.progress),
            feed.steps(VAL) or None,
            self.trained.step,
            self._epoch_figures,
        )
        self.tracker = self._tracker()
        self.finite = finite.Finite(telling.advice_on_nan(self))
        self._callbacks = self._listed(user_callbacks.make(settings.callback, code or UserCode()))
        if before is not None:
            self.resumed_at.append({"epoch": before.epoch, "step": before.step})
            print(f"Resuming run {one_line(before.run)} at {telling.place(self)}")
            if "devices" in changed:
                log.info("from here on --devices %s as given now", settings.devices)
            hidden_state.put(self.model, before.hidden_state, out / LAST)
            if self._random is not None:
                self._random.kept = before.hidden_state.torch

    def _checkpoints(self, before: RunState | None) -> checkpoint.Checkpoints:
        best = before.best if before else None
        given = (self.out, self.monitor, self._state, best, self.averages)
        interval, every = self.settings.interval, self.settings.keep_better
        if interval.due(2**62, math.inf):
            return checkpoint.FrequentCheckpoints(interval, *given, keep_better=every)
        return checkpoint.Checkpoints(*given, keep_better=every)

    def _figures(self, span: float = SPAN_SECONDS) -> Recent:
        source = self.stream.source
        return Recent(self.stream.feed, lambda: source.generators, span=span)

    def _restart_figures(self) -> None:
        """The rates of the first epoch are without the time in which the model was compiled."""
        self._epoch_figures.restart()
        self._history_figures.restart()

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

    def _listed(self, of_user: list[keras.callbacks.Callback]) -> keras.callbacks.CallbackList:
        """One list for every `fit` of the run, with the run's own numbers."""
        stream = self.stream
        advising = callbacks.Advising(
            stream.feed.step_times,
            stream.adviser,
            self.progress.live,
            self._restart_figures,
        )
        used = [self.trained, Evening(self.devices), self.averages, self.progress, advising]
        if self._random is not None:
            used.insert(0, self._random)
        if self.settings.on_nan == "stop":
            used.append(self.finite)
        plateau = self.settings.plateau_patience and self.settings.schedule == "constant"
        if plateau and not self._compiled:
            used.append(self.plateau)
        history = callbacks.History(self.out / "history.csv", self._history_figures)
        used.append(history)
        if self.tracker is not None:
            used.append(callbacks.Tracking(self.tracker, history))
        if self.settings.tensorboard and (why_not := callbacks.no_tensorboard()):
            log.info("%s", why_not)
        elif self.settings.tensorboard:
            used.append(callbacks.tensorboard(self.out / "tensorboard", history))
        used += [self.early, self.checkpoints, *of_user]
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
        advice = f". To resume it from its last checkpoint: {telling.again(self)}"
        with interrupts.gently(self._end_waits, advice):
            try:
                self._train()
            except (Exception, KeyboardInterrupt) as error:
                self.averages.take_out()  # a validation may have been under way
                if interrupted.is_set():
                    self.progress.close()
                    self._save_interrupted()
                    self._callbacks.on_train_end()  # TensorBoard writes out what it holds
                    raise KeyboardInterrupt from None
                # What ends the stream reaches us through the back end's input pipeline, wrapped.
                if (failure := self._to_fit.failure or self.stream.source.failure) is not None:
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
        # Keras would take what is missing in an epoch's last call from the next epoch.
        uneven = steps % (self.model.steps_per_execution or 1)
        while trained.epoch < self.settings.epochs and not self.model.stop_training:
            if not uneven:
                self._fit(self.settings.epochs, None)
                break
            self._fit(trained.epoch + 1, steps)
        self.stopped = trained.epoch < self.settings.epochs

    def _fit(self, stop: int, only: int | None) -> None:
        """Train up to epoch `stop`; `only`: so many batches, of one epoch."""
        feed = self.stream.feed
        self.model.fit(
            dataset(feed, self._of[TRAIN], TRAIN, only),
            initial_epoch=self.trained.epoch,
            epochs=stop,
            steps_per_epoch=only or feed.steps(TRAIN),
            validation_data=dataset(feed, self._of[VAL], VAL),
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
                dataset(feed, self._of[VAL], VAL),
                steps=feed.steps(VAL),
                callbacks=listed,
                return_dict=True,
                verbose=0,
            )
            logs |= {f"val_{name}": value for name, value in held_out.items()}
        listed.on_epoch_end(epoch, logs)
        listed.on_train_end(logs)

    def _state(self) -> RunState:
        """For the checkpoint that is being written."""
        self.devices.even_out(self.model)
        trained, reference = self.trained, self.stream.reference
        self.saved = trained.epoch, trained.step
        return RunState(
            run=self.stream.run,
            settings=self._fixed,
            source=compatibility.source_of(self.stream.task),
            classes=reference.classes,
            counts=reference.counts,
            fingerprint=reference.fingerprint,
            facts=reference.facts,
            visiting=reference.visiting.digest or UNSET,
            epoch=trained.epoch,
            step=trained.step,
            taken=trained.taken,
            resumed_at=self.resumed_at,
            history=trained.history,
            steps=trained.steps,
            best=self.checkpoints.state(),
            waiting=self.plateau.state(),
            stopping=self.early.state(),
            hidden_state=hidden_state.take(
                self.model, trained.metrics(), self._random.kept if self._random else None
            ),
            audited=self.stream.feed.audited(trained.epoch, trained.step),
            given_up=self.stream.given_up,
        )

    def _save_interrupted(self) -> None:
        """Keep the model as it is now in OUT/last.keras, unless that is what is in there."""
        self.interrupted = True
        trained = self.trained
        if (trained.epoch, trained.step) == self.saved or self.finite.diverged:
            return
        if trained.step and not self.stream.source.plan.exact:
            return  # nothing to go on from: see TrainSettings
        self.checkpoints.save_last()

    def end_tracking(self, status: str = "FINISHED") -> str:
        """Hand MLflow the run's files and how it ended. Returns what to tell people of it."""
        if self.tracker is None:
            return ""
        if self.interrupted:  # the run may come back, and a person waits
            missing = self.tracker.close("KILLED", hasty=True)
        elif status == "FINISHED":
            self.tracker.metrics(max(0, self.trained.epoch - 1), telling.last_figures(self))
            files = [self.out / name for name in TRACKED]
            model = self.out / BEST, mlmodel.signature(self.model)
            missing = self.tracker.close(status, files, model=model)
        else:
            missing = self.tracker.close(status, [self.out / name for name in TRACKED])
        return missing or tracking.looking(self.settings.mlflow)

    def _draw_sheet(self, batch: Batch) -> None:
        shown = min(SHEET_SAMPLES, len(next(iter(batch.arrays.values()))))
        captions = [
            self.stream.task.caption(batch.arrays, row, self.stream.classes) for row in range(shown)
        ]
        images = self.stream.task.pictures(batch.arrays)
        if images is not None:
            sheet.contact_sheet(images[:shown], captions, self.out / "samples.png")
