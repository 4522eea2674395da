"""Batches for `model.fit` on any back end of Keras: what the task's `to_fit` makes of them.

    model.fit(stream.keras("train"), validation_data=stream.keras("val"))

Each iteration by Keras is one pass: fit makes a new iteration for each epoch, and for each
validation. Keras may begin one to build a model, drop it, and begin again; what was not used then
comes again (`feed.passes`). With TensorFlow it is a `tf.data.Dataset`, which has two batches ready;
on other back ends a `PyDataset`.

Within a strategy of TensorFlow, `fit` and `evaluate` always begin so, and more is read ahead than a
pass holds on its own. It comes again where `pushfit.Checkpoint` tells what was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import keras

from pushfit.adapters.reading import Reading
from pushfit.adapters.to_fit import ToFit
from pushfit.errors import StreamError
from pushfit.feed.feed import Batch
from pushfit.feed.passes import Ahead, Pass
from pushfit.tasks.base import TRAIN
from pushfit.tasks.trimming import Shape
from pushfit.text import counted as counted_

BY = "Keras"
PREFETCH = 2  # batches on their way to the device while one is trained on


def dataset(reading: Reading, to_fit: ToFit, split: str) -> Any:
    """What to give `fit` as `x` or `validation_data`; None where the stream has no `split`."""
    if not reading.steps(split):
        return None
    _check_devices(reading, split)
    if keras.backend.backend() != "tensorflow":
        return Batches(reading, to_fit, split)
    from pushfit.adapters.tensorflow import counted

    steps = reading.left(split)
    return counted(pipeline(lambda: _begun(reading, split, steps), to_fit, steps), steps)


def within_strategy() -> bool:
    """True in the scope of a `tf.distribute` strategy, on the TensorFlow back end."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return bool(tf.distribute.has_strategy())


def _check_devices(reading: Reading, split: str) -> None:
    """Raise StreamError where the user's own distribution over devices would not work."""
    if within_strategy() and not reading.counted():
        raise StreamError(
            "within a tf.distribute strategy Keras takes batches before it trains on any, so "
            "somebody has to tell the stream which were trained on: make the callback "
            "pushfit.Checkpoint(stream, FILE) in the scope, before stream.keras() is called, and "
            "give it to fit"
        )
    if keras.backend.backend() != "jax" or (own := keras.distribution.distribution()) is None:
        return
    import jax

    devices = own.num_model_replicas // jax.process_count()  # each process has its own batches
    sizes = reading.sizes(split)
    if uneven := [size for size in sizes if size % devices]:
        only_last = split == TRAIN and len(uneven) < len(sizes)
        without = "give drop_last=True, " if only_last else ""
        raise StreamError(
            f"{split} has a batch of {counted_(uneven[0], 'sample')}, which the {devices} "
            f"devices of {type(own).__name__} cannot share evenly, as JAX wants it: {without}"
            "choose a batch_size that divides both by their number and into the samples of an "
            "epoch, or train with pushfit train --devices, which has no such limit"
        )


class Fits(Protocol):
    """What makes of a batch what `fit` gets; `ToFit` says what each member is."""

    shapes: list[Shape]

    def blank(self, rows: int) -> tuple[Any, ...]: ...
    def of(self, batch: Batch) -> tuple[Any, ...]: ...


def pipeline(begin: Callable[[], Iterator[Batch]], to_fit: Fits, steps: int) -> Any:
    """A `tf.data.Dataset` of what `to_fit` makes of batches, `steps` at most in an iteration.

    begin: gives the batches of an iteration.
    """
    import tensorflow as tf

    from pushfit.adapters.tensorflow import pulled

    leaves = keras.tree.flatten(blank := to_fit.blank(0))
    specs = [
        tf.TensorSpec(shape, leaf.dtype) for shape, leaf in zip(to_fit.shapes, leaves, strict=True)
    ]
    signature = keras.tree.pack_sequence_as(blank, specs)
    flat = lambda batch: keras.tree.flatten(to_fit.of(batch))  # noqa: E731
    return pulled(begin, flat, signature, steps).prefetch(PREFETCH)


def _begun(reading: Reading, split: str, steps: int) -> Pass:
    """The next pass over `split`. Raises StreamError where it has not `steps` batches.

    `fit` asks for the length once, so all passes of one `fit` must have the same; a pass that
    continues an epoch is shorter. If it ended before `fit` expects that, TensorFlow would count a
    step more, of no batch.
    """
    if (left := reading.left(split)) != steps:
        raise StreamError(
            f"this pass over {split} has {left} batches, and fit was told {steps}, since it began "
            "within an epoch: call fit once for each epoch, with stream.keras() in each call "
            "(docs/library.md)"
        )
    return reading.begin(split, BY, Ahead.UNKNOWN)


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """The passes over a split, an item a batch: the next one, whatever index Keras asks for."""

    def __init__(self, reading: Reading, to_fit: ToFit, split: str) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._reading, self._to_fit, self._split = reading, to_fit, split
        self._batches: Iterator[Batch] = iter(())
        self._steps = reading.left(split)
        self._begins = True

    def __len__(self) -> int:
        return self._steps

    def on_epoch_begin(self) -> None:
        self._begins = True

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if self._begins:
            self._batches = _begun(self._reading, self._split, self._steps)
            self._begins = False
        return self._to_fit.of(next(self._batches))
