"""The feed as what `model.fit` takes, on any Keras back end.

TensorFlow: a `tf.data.Dataset` of known shapes. Keras would learn the shapes of a plain generator
by pulling two batches: at the end of a split it has none to spare, and would wait for ever. Each
batch is pulled by one `numpy_function`: `from_generator` has Python do more for each, which cost
3 % of a step of 10 ms. A feed that ends early says so by an empty batch.

Keras keeps one iterator over all training epochs, cut by `steps_per_epoch`, but makes a new one for
every validation and drops the old one with what it had read ahead. So an iterator of the training
split goes on over all epochs, one of another split ends with its epoch. The first epoch of a
resumed run is shorter: it gets a `fit` and an iterator of its own, which must end with it as well,
since Keras drops it.

Copies of each byte on its way to the model: one, by `Window`, from the receive buffer into the
batch; and one to the device, where that is not the CPU. Back ends on a CPU read the batch in place
(see `buffers`).

Other back ends: a `PyDataset` whose items are the next batches, whatever index is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from lib.tasks.base import TRAIN, ArraySpec, Task
from lib.trainer.feed import Batch, Feed

ENDLESS = 2**62  # batches: no run has so many
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
    """Make all variables of the training: one step without samples, neither traced nor trained.

    Else `fit` makes them in its first step: TensorFlow then traces that twice, a second or more,
    and other back ends pull a batch for it and drop it.
    """
    blank = {spec.name: np.zeros((1, *spec.shape), spec.dtype) for spec in specs}
    x, y = task.to_fit(blank)
    predicted = model(x)
    model.compute_loss(x, y, predicted)
    model.compute_metrics(x, y, predicted)
    model.reset_metrics()
    model.optimizer.build(model.trainable_variables)


def _tf_dataset(feed: Feed, task: Task, split: str, only: int | None) -> Any:
    import tensorflow as tf

    stop = only if split == TRAIN else feed.steps(split)
    blank = {spec.name: np.zeros((1, *spec.shape), spec.dtype) for spec in feed.specs}
    empty = keras.tree.map_structure(lambda array: array[:0], task.to_fit(blank))
    end = keras.tree.flatten(empty)
    batches: Iterator[Batch] = iter(())

    plainly = tf.autograph.experimental.do_not_convert  # nothing in them is to be rewritten

    def pull(number: int) -> Any:
        nonlocal batches
        if number == 0:  # another iterator: the one before has had all its batches
            batches = feed.batches(split)
        batch = next(batches, None)
        return end if batch is None else keras.tree.flatten(task.to_fit(batch.arrays))

    @plainly  # type: ignore[untyped-decorator]
    def pulled(number: Any) -> Any:
        tensors = tf.numpy_function(pull, [number], [array.dtype for array in end])
        for tensor, array in zip(tensors, end, strict=True):
            tensor.set_shape((None, *array.shape[1:]))
        return keras.tree.pack_sequence_as(empty, tensors)

    @plainly  # type: ignore[untyped-decorator]
    def more(*pair: Any) -> Any:
        return tf.shape(keras.tree.flatten(pair)[0])[0] > 0

    options = tf.data.Options()
    options.autotune.enabled = False  # there is nothing to tune, and its thread costs CPU
    numbers = tf.data.Dataset.range(ENDLESS if stop is None else stop)
    return numbers.map(pulled).take_while(more).prefetch(PREFETCH).with_options(options)


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
