"""The devices of this host that train one model together (`--devices`).

Each has a copy of the model, gets an equal part of each batch, and adds its gradient to that of the
others: `tf.distribute.MirroredStrategy` on TensorFlow, `keras.distribution.DataParallel` on JAX.
One process feeds them all, so stream, audit, positions and checkpoints are those of one device.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import msgspec
import numpy as np

from pushfit.errors import ConfigError
from pushfit.settings import devices
from pushfit.text import counted
from pushfit.training import backend


class Devices(msgspec.Struct, frozen=True):
    """used, idle: names such as gpu:0. plan: Keras's or TensorFlow's object for several."""

    used: tuple[str, ...]
    idle: tuple[str, ...] = ()
    plan: Any = None

    @property
    def count(self) -> int:
        return len(self.used)

    @property
    def told(self) -> str:
        """A line for people; ``""`` where there is one device only."""
        if not self.idle and self.count < 2:
            return ""
        idle = f"; not used: {', '.join(self.idle)} (--devices all)" if self.idle else ""
        return f"Devices   {', '.join(self.used)}{idle}"

    def scope(self) -> AbstractContextManager[Any]:
        """The context in which the model is made and trained."""
        return nullcontext() if self.plan is None else self.plan.scope()

    def take(self, model: keras.Model) -> None:
        """Have `fit` train `model`, which was made in the scope, on these devices.

        Raises ConfigError for a model that was made for devices of its author's choice.
        """
        if keras.backend.backend() == "jax":
            own = keras.distribution.distribution()
        else:
            own = getattr(model, "_distribute_strategy", None)
        if own is not None and own is not self.plan:
            raise ConfigError(
                f"the model {model.name} was made within a {type(own).__name__} of its own, and "
                "PushFit has to know the devices that share a batch: make the model without it, "
                "and train with --devices all"
            )
        if self.plan is not None and keras.backend.backend() == "tensorflow":
            _refuse_accumulation(model.optimizer)
            _refuse_several_steps(model)
            # `fit` would pull a batch to build the model, which is built, and drop it with what
            # was read ahead: the epoch's end would then be waited for without end. Without this
            # attribute it takes the strategy of the scope.
            model._distribute_strategy = None

    def even_out(self, model: keras.Model) -> None:
        """Give all copies of `model` the mean of what each has counted for itself.

        On TensorFlow these are the moving statistics of batch normalisation. A file would get those
        of the first device, and validation would use those of each. They are means themselves, so
        training is the same whenever this is called.
        """
        if self.plan is None or keras.backend.backend() != "tensorflow":
            return
        for weight in model.non_trainable_weights:
            copies = [
                np.asarray(each) for each in self.plan.experimental_local_results(weight.value)
            ]
            if copies[0].dtype.kind == "f" and any((each != copies[0]).any() for each in copies):
                weight.assign(np.mean(copies, axis=0, dtype=np.float64).astype(copies[0].dtype))


class Evening(keras.callbacks.Callback):  # type: ignore[misc]
    """Evens the copies of the model out before they are validated; use it first."""

    def __init__(self, devices: Devices) -> None:
        super().__init__()
        self._devices = devices

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._devices.even_out(self.model)


def chosen(text: str, batch_size: int) -> Devices:
    """The devices that `--devices text` means; Keras has been started.

    Raises ConfigError where they are not there, cannot be used together, or share no batch evenly.
    """
    wanted, name = devices.parse(text), keras.backend.backend()
    there = backend.devices(keras) or ["cpu:0"]
    if name not in ("tensorflow", "jax") and (wanted.count or len(there)) > 1:
        raise ConfigError(
            f"--devices {text}: on {name} Keras trains on one device in a process. Use a process "
            "for each, as ranks of one run (docs/many-gpus.md), set KERAS_BACKEND to tensorflow or "
            "jax, or leave --devices out"
        )
    used = _named(wanted, there)
    devices.check_batch(batch_size, len(used))
    plan = None
    if len(used) > 1:
        with backend.held_back():
            plan = _mirrored(used) if name == "tensorflow" else _parallel(used)
    return Devices(used, tuple(each for each in there if each not in used), plan)


def _refuse_accumulation(optimizer: Any) -> None:
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of mixed precision
    if getattr(inner, "gradient_accumulation_steps", None):
        raise ConfigError(
            "gradient_accumulation_steps: Keras cannot put several steps into one update on "
            "several devices of TensorFlow. Leave it out and give a larger --batch-size, set "
            "KERAS_BACKEND=jax, or leave --devices out"
        )


def _refuse_several_steps(model: keras.Model) -> None:
    if (several := model.steps_per_execution or 1) > 1:
        raise ConfigError(
            f"steps_per_execution={several}: TensorFlow cannot run several steps in one call on "
            "several devices. Compile the model without it, set KERAS_BACKEND=jax, or leave "
            "--devices out"
        )


def _named(wanted: devices.Wanted, there: list[str]) -> tuple[str, ...]:
    numbered = {int(each.rpartition(":")[2]): each for each in there}
    first = list(numbered)[: wanted.count]
    numbers = wanted.numbers or first
    if len(numbers) < (wanted.count or 0) or not set(numbers) <= set(numbered):
        advice = ""
        if all(each.startswith("cpu") for each in there):
            parts = max(2, wanted.count or 0, *(number + 1 for number in numbers))
            advice = f". To try several on a CPU, set XLA_FLAGS={backend.CPU_DEVICES}={parts}"
        raise ConfigError(
            f"--devices {wanted.text}: Keras finds {counted(len(there), 'device')} on this host, "
            f"{', '.join(there)}{advice}"
        )
    return tuple(numbered[number] for number in numbers)


def _mirrored(used: tuple[str, ...]) -> Any:
    import tensorflow as tf

    return tf.distribute.MirroredStrategy([each.upper() for each in used])


def _parallel(used: tuple[str, ...]) -> Any:
    return keras.distribution.DataParallel(devices=list(used))
