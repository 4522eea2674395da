"""Batches for TensorFlow: a `tf.data.Dataset` of known types, shapes and length.

Each batch is pulled by one `numpy_function`: with `from_generator` Python does more work for each.
A pass that ends early says so by an empty batch. TensorFlow on a CPU reads the batch in place
(`feed.buffers`); a GPU gets the one copy that it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from pushfit.adapters.reading import Reading
from pushfit.feed.feed import Batch
from pushfit.feed.passes import Ahead

BY = "TensorFlow"


def dataset(reading: Reading, split: str) -> tf.data.Dataset:
    """Each iteration is one pass over `split`: {array name: tensor (B, *shape)}.

    It reads nothing ahead, so the position of the stream is that of the loop. A `prefetch` that is
    added to it reads ahead.
    """
    shapes = {spec.name: reading.shapes.get(spec.name, spec.shape) for spec in reading.arrays}
    signature = {
        spec.name: tf.TensorSpec((None, *shapes[spec.name]), spec.dtype) for spec in reading.arrays
    }
    begin = lambda: reading.begin(split, BY, Ahead.NO)  # noqa: E731
    flat = lambda batch: tf.nest.flatten(dict(batch.arrays))  # noqa: E731  # sorted by name
    steps = reading.steps(split)
    return counted(pulled(begin, flat, signature, steps), steps)


def pulled(
    begin: Callable[[], Iterator[Batch]],
    flat: Callable[[Batch], Sequence[Any]],
    signature: Any,
    steps: int,
) -> tf.data.Dataset:
    """A dataset of elements like `signature`, `steps` at most; `begin` gives those of an iteration.

    flat: the arrays of a batch, in the order of `tf.nest.flatten(signature)`.
    """
    specs = tf.nest.flatten(signature)
    end = [tf.zeros((0, *_sides(spec)), spec.dtype).numpy() for spec in specs]
    batches: Iterator[Batch] = iter(())
    plainly = tf.autograph.experimental.do_not_convert  # nothing in them is to be rewritten

    def pull(number: int) -> Any:
        nonlocal batches
        if number == 0:  # another iteration
            batches = begin()
        batch = next(batches, None)
        return end if batch is None else flat(batch)

    @plainly  # type: ignore[untyped-decorator]
    def element(number: Any) -> Any:
        tensors = tf.numpy_function(pull, [number], [spec.dtype for spec in specs])
        for tensor, spec in zip(tensors, specs, strict=True):
            tensor.set_shape(spec.shape)
        return tf.nest.pack_sequence_as(signature, tensors)

    @plainly  # type: ignore[untyped-decorator]
    def more(*parts: Any) -> Any:
        return tf.shape(tf.nest.flatten(parts)[0])[0] > 0

    options = tf.data.Options()
    options.autotune.enabled = False  # there is nothing to tune, and its thread costs CPU
    numbers = tf.data.Dataset.range(steps)
    return numbers.map(element).take_while(more).with_options(options)


def counted(dataset: tf.data.Dataset, steps: int) -> tf.data.Dataset:
    """`dataset`, which says that it has `steps` elements, and so does what `map` makes of it.

    TensorFlow's `assert_cardinality` would fail a pass that continues an epoch, which is shorter.
    """
    mapped = dataset.map
    dataset.cardinality = lambda: tf.constant(steps, tf.int64)
    dataset.map = lambda *given, **named: counted(mapped(*given, **named), steps)
    return dataset


def _sides(spec: tf.TensorSpec) -> list[int]:
    """The sides of a sample, 1 where any will fit."""
    return [side or 1 for side in spec.shape[1:]]
