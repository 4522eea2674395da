"""The feed as what `model.fit` takes, on any Keras back end.

TensorFlow: a `tf.data.Dataset` with an explicit signature. Keras would learn the signature of a
plain generator by pulling two batches: at the end of a split it has none to spare, and would wait
for ever. Keras keeps one iterator over all training epochs, cut by `steps_per_epoch`, but makes a
new one for every validation and drops the old one with what it had read ahead. So an iterator of
the training split goes on over all epochs, one of another split ends with its epoch. The first
epoch of a resumed run is shorter: it gets a `fit` and an iterator of its own, which must end with
it as well, since Keras drops it.

Copies of each byte on its way to the model: one, by `Window`, from the receive buffer into the
batch; and one to the device, where that is not the CPU. Back ends on a CPU read the batch in place
(see `buffers`).

Other back ends: a `PyDataset` whose items are the next batches, whatever index is asked for. There
Keras pulls a batch to build the metrics from and drops it; `prepare` builds them before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import keras
import numpy as np

from lib.tasks.base import TRAIN, ArraySpec, Task
from lib.trainer.feed import Feed

PREFETCH = 2  # batches on their way to the device while one is trained on


def dataset(feed: Feed, task: Task, split: str, only: int | None = None) -> Any:
    """What to give `fit` as `x` (or `validation_data`); None where `split` has no samples.

    only: end after so many batches.
    """
    if not feed.steps(split):
        return None
    if keras.backend.backend() == "tensorflow":
        return _tf_dataset(feed, task, split, only)
    return _Batches(feed, task, split, only)


def prepare(model: keras.Model, task: Task, specs: Iterable[ArraySpec]) -> None:
    """Build the model's metrics, for which `fit` would else pull a batch and drop it."""
    blank = {spec.name: np.zeros((1, *spec.shape), spec.dtype) for spec in specs}
    model.test_on_batch(*task.to_fit(blank))
    model.reset_metrics()


def _pairs(feed: Feed, task: Task, split: str, only: int | None) -> Iterator[tuple[Any, Any]]:
    stop = only if split == TRAIN else feed.steps(split)
    for batch in islice(feed.batches(split), stop):
        yield task.to_fit(batch.arrays)


def _tf_dataset(feed: Feed, task: Task, split: str, only: int | None) -> Any:
    import tensorflow as tf

    empty = {spec.name: np.empty((0, *spec.shape), spec.dtype) for spec in feed.specs}
    signature = keras.tree.map_structure(
        lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype), task.to_fit(empty)
    )
    batches = tf.data.Dataset.from_generator(
        lambda: _pairs(feed, task, split, only), output_signature=signature
    )
    options = tf.data.Options()
    options.autotune.enabled = False  # there is nothing to tune, and its thread costs CPU
    return batches.prefetch(PREFETCH).with_options(options)


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    def __init__(self, feed: Feed, task: Task, split: str, only: int | None) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._steps, self._task = only or feed.steps(split), task
        self._batches = feed.batches(split)

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        x, y = self._task.to_fit(next(self._batches).arrays)
        return x, y
