"""A model's own `compute_loss` on several devices of TensorFlow.

TensorFlow adds up the gradients of the devices, so the loss of each has to be divided by their
number. Keras's own losses are; what a model computes itself mostly is not, as it was written for
one device, and the learning rate would then be that many times as high. JAX knows no such division:
there the loss is that of the whole batch.
"""

from __future__ import annotations

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras

from pushfit.adapters.keras import Fits
from pushfit.errors import ConfigError
from pushfit.training.devices import Devices

ASIDE = 0.3  # added to what the model predicts for a blank sample, which may have no loss

log = logging.getLogger("pushfit.trainer")


def divide(model: keras.Model, fits: Fits, devices: Devices) -> None:
    """Have the model's own loss divided, where it is not; call it in the scope of `devices`.

    model: built. Raises ConfigError where it cannot be told.
    """
    if devices.plan is None or keras.backend.backend() != "tensorflow":
        return
    if type(model).train_step is not keras.Model.train_step:
        log.warning(
            "the model %s has a train_step of its own. TensorFlow adds up the gradients of %d "
            "devices: a loss that is computed there has to be divided by that number",
            *(model.name, devices.count),
        )
    if type(model).compute_loss is keras.Model.compute_loss:
        return
    shared, alone = _tried(model, fits)
    if math.isclose(shared * devices.count, alone, rel_tol=1e-3) and alone:
        return
    if not math.isclose(shared, alone, rel_tol=1e-3) or not alone:
        raise ConfigError(
            f"the model {model.name} computes its loss itself (compute_loss), and for several "
            f"devices on TensorFlow it has to be divided by their number: for one sample it gave "
            f"{shared:g}, and without devices {alone:g}, which does not tell whether it is. Set "
            "KERAS_BACKEND=jax, or leave --devices out"
        )
    own = model.compute_loss

    def compute_loss(*given: Any, **named: Any) -> Any:
        import tensorflow as tf

        return own(*given, **named) / tf.distribute.get_strategy().num_replicas_in_sync

    model.compute_loss = compute_loss


def _tried(model: keras.Model, fits: Fits) -> tuple[float, float]:
    """The loss of a blank sample in the scope, and out of it."""
    blank = keras.tree.map_structure(keras.ops.convert_to_tensor, fits.blank(1))
    x, y, weight = (*blank, None, None)[:3]
    predicted = keras.tree.map_structure(lambda each: each + ASIDE, model(x))

    def compute() -> float:
        loss = model._compute_loss(x=x, y=y, y_pred=predicted, sample_weight=weight)
        return float(keras.ops.convert_to_numpy(loss))

    shared = compute()
    with ThreadPoolExecutor(1) as outside:  # a scope is that of a thread
        alone = outside.submit(compute).result()
    model.reset_metrics()
    return shared, alone
