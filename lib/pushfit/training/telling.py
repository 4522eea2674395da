"""What a training tells people: where it stands, its report, and the last lines of its output."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING, Any

from pushfit.installation import typed
from pushfit.observe import audited
from pushfit.runs.checkpoint_state import LAST
from pushfit.tasks.base import TRAIN
from pushfit.training import inference

if TYPE_CHECKING:
    from pushfit.streams.stream import Stream
    from pushfit.training.fit import Fit

INFERENCE_SECONDS = 1.0  # of timed predictions


def report(fit: Fit | None, stream: Stream) -> dict[str, Any]:
    """report.json: that of the stream, and what became of its batches in `fit`, if there is one."""
    if fit is None:
        return stream.report({})
    report = stream.report(metrics(fit))
    report["splits"] = audited.with_training(
        report["splits"], fit.trained.of, stream.feed.batch_size, stopped=fit.stopped
    )
    stopped = fit.stopped and not fit.early.stopped
    how = "interrupted" if fit.interrupted else "stopped" if stopped else "complete"
    return {**report, "devices": list(fit.devices.used), "ended": how}


def metrics(fit: Fit) -> dict[str, Any]:
    """The last epoch's figures, the best monitored one and what that was, steps trained.

    Positions count epochs from 1; their steps are those trained before.
    """
    last = {name: round(values[-1], 6) for name, values in fit.trained.history.items()}
    resumed = [{**each, "epoch": each["epoch"] + 1} for each in fit.resumed_at]
    return {**last, "monitor": fit.checkpoints.followed, "best": fit.checkpoints.best,
            "steps_trained": fit.trained.taken, "resumed_at": resumed}  # fmt: skip


def last_figures(fit: Fit) -> dict[str, float]:
    """What the run came to, for MLflow: inference time, and what it reached on held-out data."""
    x = inference.samples(fit.stream.task, fit.settings.batch_size)
    took = inference.seconds([fit.model], x, INFERENCE_SECONDS)
    figures = {"inference_ms_per_batch": 1000 * took}
    best, followed = fit.checkpoints.best, fit.checkpoints.followed
    if best is not None and followed.startswith("val_"):
        figures["held_out_accuracy" if followed.endswith("accuracy") else "held_out_loss"] = best
    return figures


def summary(fit: Fit) -> str:
    """The last lines that a person reads."""
    lines = []
    if fit.interrupted:
        taken = f"Interrupted after {fit.trained.taken:,} steps"
        if fit.saved == (fit.trained.epoch, fit.trained.step):
            lines.append(f"{taken}; the model as it was then is kept.")
        elif fit.saved:
            lines.append(f"{taken}; kept is the model as it was saved last.")
        else:
            lines.append(f"{taken}; no model is kept yet.")
        lines.append(f"To resume it: {again(fit)}")
    elif fit.early.stopped:
        lines.append(
            f"Training is complete after {fit.trained.epoch} of {fit.settings.epochs} epochs: the "
            f"last {fit.early.state().wait} were not better than those before (--early-stopping)."
        )
    elif fit.stopped:
        lines.append(
            f"Training was stopped after {fit.trained.epoch} of {fit.settings.epochs} "
            "epochs, as the model or a callback has asked for."
        )
    if (best := fit.checkpoints.best) is not None:
        followed = fit.checkpoints.followed
        where = "held-out" if followed.startswith("val_") else "training"
        last = fit.trained.history.get(followed, [])
        what = "accuracy" if followed.endswith("accuracy") else "loss"
        show = "{:.1%}".format if what == "accuracy" else "{:.4g}".format
        then = f" (best of {len(last)} epochs; the last: {show(last[-1])})" if last else ""
        none = "" if where == "held-out" else " (nothing was held out to validate on)"
        lines.append(f"Best {where} {what}: {show(best)}{then}{none}")
    lines.append(fit.stream.adviser.report()["advice"])
    first = " (look at samples.png first)" if (fit.out / "samples.png").exists() else ""
    lines.append(f"The run's files: {fit.out}/{first}")
    return "\n".join(lines)


def parameters(model: Any) -> str:
    """How many there are, and how many of them are trained where a part is frozen."""
    total = model.count_params()
    trained = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    frozen = any(not layer.trainable for layer in model.layers)
    return f"{total:,} parameters" + (f", of which {trained:,} are trained" if frozen else "")


def place(fit: Fit) -> str:
    """Where training goes on, for people, who count from 1."""
    trained, steps = fit.trained, fit.stream.feed.steps(TRAIN)
    if trained.step == steps:
        return f"the validation of epoch {trained.epoch + 1}"
    return f"epoch {trained.epoch + 1}, batch {trained.step + 1:,} of {steps:,}"


def again(fit: Fit) -> str:
    return f"{typed('train')} --resume --out {shlex.quote(str(fit.out))}"


def advice_on_nan(fit: Fit) -> str:
    rate = f" (it is {fit.settings.learning_rate:g} now)"
    kept = f"{fit.out / LAST} has the model of the last epoch before, if there was one"
    precision = ", or leave --mixed-precision out" if fit.settings.mixed_precision else ""
    return (
        f"{kept}. Give a lower --learning-rate{rate}{precision}, and look at samples.png for "
        "what it was shown; --on-nan continue trains on all the same"
    )
