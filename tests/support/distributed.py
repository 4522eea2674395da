"""A `fit` over a stream within a distribution over devices that the user has made.

    KERAS_BACKEND=jax python -m tests.support.distributed '[[true, false], …]'

Each form is (may two devices share each batch evenly? does somebody tell what was trained on? is a
last batch that is not whole left out?), of which the last may be missing. It prints JSON: for each
form the steps that Keras counted and the audit, or {"error": …}.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import keras
import msgspec

from pushfit.adapters.keras import dataset
from pushfit.adapters.to_fit import ToFit
from pushfit.errors import PushFitError
from pushfit.plan.order import SplitOrder
from pushfit.training import backend
from tests.support.fitted import SIDE, Counting
from tests.support.made_leases import SPECS
from tests.support.readings import EPOCHS, FIELDS, SPLITS, Opened

EVEN = {**SPLITS, "train": SplitOrder((8, 4), 3)}  # batches of 4 and 2 samples


class Steps(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.train = self.val = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.train += 1

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.val += 1


def scope() -> Any:
    if keras.backend.backend() == "jax":
        return keras.distribution.DataParallel(devices=["cpu:0", "cpu:1"]).scope()
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()


def fitted(even: bool, counted: bool, drop_last: bool = False) -> dict[str, Any]:
    splits = EVEN if even else SPLITS
    train = msgspec.structs.replace(splits["train"], drop_last=drop_last)
    opened = Opened({**splits, "train": train})
    to_fit, steps = ToFit(FIELDS, SPECS), Steps()
    with scope():
        model = keras.Sequential([keras.Input((SIDE,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        told: list[keras.callbacks.Callback] = [steps]
        if counted:
            opened.passes.counted = True
            told.append(Counting(opened))
        try:
            model.fit(
                dataset(opened.reading, to_fit, "train"),
                validation_data=dataset(opened.reading, to_fit, "val"),
                epochs=EPOCHS, verbose=0, callbacks=told,
            )  # fmt: skip
        except PushFitError as error:
            return {"error": str(error)}
    return {"steps": [steps.train, steps.val], "audit": opened.feed.audit()}


if __name__ == "__main__":
    backend.start()
    print(json.dumps([fitted(*form) for form in json.loads(sys.argv[1])]))
