"""The last batch of an epoch, where the devices cannot share it evenly.

Losses, gradients and metrics are those that one device would have. Rows of weight 0 that fill the
batch up would not do that: metrics see no weights, batch normalisation sees such rows, the mean of
a loss divides by their number as well, and a model's own loss may know no weights at all. So:

- The batch is **repeated** until it divides. Each row comes equally often, so the mean over all
  rows is the mean over the batch: for the loss, weighted or not, its gradient, and batch
  statistics.
- Metrics add up over an epoch, in which the batch would count too much. What such a step adds to
  their variables is divided by the number of copies. The loss that is shown is one of them.
- A step tells a repeated batch from a whole one by its number of rows, which differs.

A loss that adds up its samples (reduction "sum") has no such mean, and is refused. With
`--drop-last` the feed makes no smaller batch in training, and nothing is repeated there.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from pushfit.adapters.keras import Fits
from pushfit.errors import ConfigError
from pushfit.feed.feed import Batch, Feed
from pushfit.tasks.base import TRAIN, VAL
from pushfit.tasks.trimming import Shape
from pushfit.text import counted
from pushfit.training.devices import Devices

log = logging.getLogger("pushfit.trainer")

STEPS = {TRAIN: "train_step", VAL: "test_step"}  # Keras's methods, which a model may override


def copies(rows: int, batch_size: int, devices: int) -> int:
    """How often a batch of `rows` comes so that `devices` share it evenly; 1: once.

    Never so often that it has as many rows as a whole batch, which divides by `devices`.
    """
    needed = devices // math.gcd(rows, devices)
    return 2 * needed if needed > 1 and needed * rows == batch_size else needed


def shared(
    model: keras.Model, fits: Mapping[str, Fits], feed: Feed, devices: Devices
) -> Mapping[str, Fits]:
    """`fits` of each split, with which `model` trains on `devices` as on one.

    model: compiled, and not traced yet. fits: {split: what makes its batches}.
    Raises ConfigError where the model's loss adds up samples.
    """
    found = dict(fits)
    if devices.count < 2:
        return found
    for split, step in STEPS.items():
        rows = next(reversed(feed.batch_sizes(split)), feed.batch_size)
        count = copies(rows, feed.batch_size, devices.count)
        if count == 1:
            continue
        _refuse_sums(model, split, rows, devices.count)
        log.info(
            "Devices   the last batch of %s has %s: each comes %d times and counts once",
            *(split, counted(rows, "sample"), count),
        )
        found[split] = Repeated(fits[split], rows, count)
        once = _of_jax if keras.backend.backend() == "jax" else _of_tensorflow
        whole = feed.batch_size // (1 if keras.backend.backend() == "jax" else devices.count)
        setattr(model, step, once(model, getattr(model, step), whole, count))
    return found


class Repeated:
    """Used in place of what it is given: batches of `rows` come with `count` copies of each row."""

    def __init__(self, fits: Fits, rows: int, count: int) -> None:
        self._fits, self._rows, self._count = fits, rows, count
        self.shapes: list[Shape] = fits.shapes

    def blank(self, rows: int) -> tuple[Any, ...]:
        return self._fits.blank(rows)

    def of(self, batch: Batch) -> tuple[Any, ...]:
        made = self._fits.of(batch)
        if len(keras.tree.flatten(made)[0]) != self._rows:
            return made
        several = keras.tree.map_structure(self._copied, made)
        assert isinstance(several, tuple)
        return several

    def _copied(self, array: Any) -> Any:
        return None if array is None else np.concatenate([array] * self._count)


def _of_tensorflow(
    model: keras.Model, step: Callable[[Any], Any], whole: int, count: int
) -> Callable[[Any], Any]:
    """`step` of a device. whole: rows that it gets of a whole batch; any other is repeated."""

    def once(data: Any) -> Any:
        before = [keras.ops.copy(each) for each in model.metrics_variables]
        figures = step(data)
        repeated = keras.ops.shape(keras.tree.flatten(data)[0])[0] != whole
        for variable, then in zip(model.metrics_variables, before, strict=True):
            now = keras.ops.convert_to_tensor(variable)
            variable.assign(keras.ops.where(repeated, _less(then, now, count), now))
        return _shown(model, figures)

    return once


def _of_jax(
    model: keras.Model, step: Callable[[Any, Any], Any], whole: int, count: int
) -> Callable[[Any, Any], Any]:
    """`step` of all devices, on arrays whose shape is known while it is compiled."""

    def once(state: Any, data: Any) -> Any:
        figures, after = step(state, data)
        if keras.tree.flatten(data)[0].shape[0] == whole:
            return figures, after
        pairs = zip(state[-1], after[-1], strict=True)  # the metrics' variables come last
        less = [_less(then, now, count) for then, now in pairs]
        mapping = list(zip(model.metrics_variables, less, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            figures = _shown(model, figures)
        return figures, (*after[:-1], less)

    return once


def _less(then: Any, now: Any, count: int) -> Any:
    """`then`, and the part of what has been added since that one of `count` copies adds."""
    return keras.ops.cast(then + (now - then) / count, now.dtype)


def _shown(model: keras.Model, figures: Any) -> Any:
    """The figures of a step, where it shows its metrics, as these stand now."""
    found = model.get_metrics_result()
    same = isinstance(figures, dict) and set(figures) == set(found)
    return found if same else figures


def _refuse_sums(model: keras.Model, split: str, rows: int, devices: int) -> None:
    losses = keras.tree.flatten(getattr(model._compile_loss, "_user_loss", None))
    if any(getattr(each, "reduction", None) == "sum" for each in losses):
        leave = ", or --drop-last" if split == TRAIN else ""
        raise ConfigError(
            f"the last batch of {split} has {rows} samples, which {devices} devices cannot share "
            "evenly, and the model's loss adds up its samples (reduction 'sum'), so they cannot be "
            "repeated: give a loss that takes their mean, or other --devices or --batch-size"
            f"{leave}"
        )
