"""The learning rate over a run.

Schedules are Keras's own classes, so a saved model can be loaded wherever Keras is. Each is a
function of the steps taken, which the optimizer counts and the checkpoint keeps: a run that is
resumed goes on at the very rate. A cosine run that gets other --epochs on the way goes on at the
rate that the whole, longer curve has at its step, so a finished run that is trained on starts
higher again.
"""

from __future__ import annotations

from typing import TypeAlias

import keras
from keras.optimizers import schedules

from pushfit.settings.programs.train import TrainSettings

Rate: TypeAlias = float | schedules.LearningRateSchedule


def rate(settings: TrainSettings, steps: int) -> Rate:
    """What to give the optimizer of a run whose epochs have `steps` steps each."""
    peak = settings.learning_rate
    match settings.schedule:
        case "cosine":
            return _cosine(peak, settings.epochs * steps, settings.warmup)
        case "exponential":
            return schedules.ExponentialDecay(peak, max(1, steps), settings.decay)
        case "cyclic":
            cycle = max(1, settings.cycle_epochs * steps)
            return schedules.CosineDecayRestarts(peak, cycle, t_mul=1.0, m_mul=1.0)
    return peak


def _cosine(peak: float, steps: int, warmup: float) -> keras.optimizers.schedules.CosineDecay:
    climb = round(warmup * steps)
    return schedules.CosineDecay(
        initial_learning_rate=0.0 if climb else peak,
        warmup_target=peak if climb else None,
        warmup_steps=climb,
        decay_steps=max(1, steps - climb),
    )
