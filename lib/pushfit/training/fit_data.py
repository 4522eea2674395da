"""The feed as what `model.fit` takes, on any Keras back end.

TensorFlow: the pipeline of `adapters.keras`, a `tf.data.Dataset` of known shapes. Keras would learn
the shapes of a plain generator by pulling two batches: at the end of a split it has none to spare,
and would wait for ever.

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

from typing import Any

import keras

from pushfit.adapters.keras import Fits, pipeline
from pushfit.feed.feed import Feed
from pushfit.tasks.base import TRAIN

ENDLESS = 2**62  # batches: no run has so many


def dataset(feed: Feed, to_fit: Fits, split: str, only: int | None = None) -> Any:
    """What to give `fit` as `x` (or `validation_data`); None where `split` has no samples.

    only: end after so many batches.
    """
    if not feed.steps(split):
        return None
    if keras.backend.backend() == "tensorflow":
        stop = only if split == TRAIN else feed.steps(split)
        return pipeline(lambda: feed.batches(split), to_fit, stop or ENDLESS)
    return _Batches(feed, to_fit, split, only)


def prepare(model: keras.Model, to_fit: Fits) -> None:
    """Make all variables of the training: one step without samples, neither traced nor trained.

    Else `fit` makes them in its first step: TensorFlow then traces that twice, a second or more,
    and other back ends pull a batch for it and drop it.
    """
    blank = keras.tree.map_structure(keras.ops.convert_to_tensor, to_fit.blank(1))
    x, y, weight = (*blank, None, None)[:3]
    predicted = model(x)
    model.compute_loss(x=x, y=y, y_pred=predicted, sample_weight=weight)
    model.compute_metrics(x, y, predicted, sample_weight=weight)
    model.reset_metrics()
    if model.optimizer is not None:
        model.optimizer.build(model.trainable_variables)
    # A model with a `compute_loss` of its own leaves Keras's unbuilt, for which `fit` would pull a
    # batch and drop it.
    for part in (model._compile_loss, model._compile_metrics):
        if part is not None and not part.built:
            _build(part, y, predicted)


def _build(part: Any, y: Any, predicted: Any) -> None:
    try:
        part.build(y, predicted)
    except Exception:  # the targets are not of its kind, so the model's own loss never calls it
        part.built = True


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    def __init__(self, feed: Feed, to_fit: Fits, split: str, only: int | None) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._steps, self._to_fit = only or feed.steps(split), to_fit
        self._batches = feed.batches(split)

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return self._to_fit.of(next(self._batches))
