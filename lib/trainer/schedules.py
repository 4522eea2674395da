"""The learning rate over a run.

A function of the steps taken, which the optimizer counts and the checkpoint keeps: a run that is
resumed goes on at the very rate. One that gets other --epochs on the way goes on at the rate that
the whole, longer curve has at its step, so a finished run that is trained on starts higher again.
"""

from __future__ import annotations

from typing import TypeAlias

import keras

from cfg.base import TrainSettings

Rate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule


def rate(settings: TrainSettings, steps: int) -> Rate:
    """What to give the optimizer of a run of `steps` steps in all."""
    if settings.schedule == "constant":
        return settings.learning_rate
    climb = round(settings.warmup * steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if climb else settings.learning_rate,
        warmup_target=settings.learning_rate if climb else None,
        warmup_steps=climb,
        decay_steps=max(1, steps - climb),
    )
