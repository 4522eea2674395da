"""A `fit` over a stream by the adapter of Keras, and what the model was given.

    KERAS_BACKEND=jax python -m tests.support.fitted '[{"built": false}, …]'

It prints JSON: for each set of arguments what `fitted` returns, or {"error": what it raised}.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import keras
import numpy as np

from pushfit.adapters.keras import dataset
from pushfit.adapters.to_fit import ToFit
from pushfit.errors import PushFitError
from tests.support.made_leases import SPECS
from tests.support.readings import EPOCHS, FIELDS, Opened

SIDE = 3  # numbers in an id


class Keeper(keras.layers.Layer):
    """Passes its input on, and keeps the ids of every batch that is real."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, list[Any]] = {"train": [], "val": []}

    def call(self, x: Any, training: bool = False) -> Any:
        try:
            ids = keras.ops.convert_to_numpy(x)
        except Exception:  # each back end has its own: Keras builds with a symbol of a batch
            return x
        self.seen["train" if training else "val"].append(np.asarray(ids).astype(int).tolist())
        return x


def fitted(
    *,
    built: bool = True,
    once: bool = False,
    counted: bool = False,
    epoch: int = 0,
    step: int = 0,
    **named: Any,
) -> dict[str, Any]:
    """What a model saw in a fit with default arguments, and the audit of its stream.

    built: the model knows its input beforehand. once: a call of fit for each epoch.
    counted: somebody tells what was used, as `pushfit.Checkpoint` does.
    epoch, step: where the stream begins. named: as `fit` has it.
    """  # fmt: skip
    keras.utils.set_random_seed(0)
    opened = Opened(epoch=epoch, step=step)
    keeper = Keeper()
    inputs = [keras.Input((SIDE,))] if built else []
    model = keras.Sequential([*inputs, keeper, keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)  # a layer sees batches only so
    assert model.built == built
    told: list[keras.callbacks.Callback] = []
    if counted:
        opened.passes.counted = True
        told = [Counting(opened)]
    to_fit = ToFit(FIELDS, SPECS)
    spans = [(e, e + 1) for e in range(epoch, EPOCHS)] if once else [(epoch, EPOCHS)]
    for first, stop in spans:
        model.fit(
            dataset(opened.reading, to_fit, "train"),
            validation_data=dataset(opened.reading, to_fit, "val"),
            initial_epoch=first, epochs=stop, verbose=0, callbacks=told, **named,
        )  # fmt: skip
    return {"seen": keeper.seen, "audit": opened.feed.audit()}


class Counting(keras.callbacks.Callback):
    """Tells what was trained on, and what was validated on."""

    def __init__(self, opened: Opened) -> None:
        super().__init__()
        self._opened, self._epoch = opened, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        at, split, step = self._opened.passes.position()
        self._gone = step if (at, split) == (epoch, "train") else 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._opened.passes.used(self._epoch, "train", self._gone + batch + 1)


def _tried(named: dict[str, Any]) -> dict[str, Any]:
    try:
        return fitted(**named)
    except PushFitError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    print(json.dumps([_tried(named) for named in json.loads(sys.argv[1])]))
