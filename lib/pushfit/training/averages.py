"""The optimizer's moving average of the weights, in the model's place while it is looked at.

With `--optimizer-args use_ema=true` Keras keeps an average of all weights beside them. Validation
and best.keras use the average; training goes on with the weights themselves, which last.keras
holds beside the average. They are put back by copy: Keras's own callback adds and subtracts on
TensorFlow, which rounds, and a run that is resumed would end otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np


class Averages(keras.callbacks.Callback):  # type: ignore[misc]
    """Use it before callbacks that look at the model in validation."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self._weights: list[np.ndarray] | None = None  # while the average is in their place
        self.used = _uses(model.optimizer)
        self._finalize = getattr(model.optimizer, "finalize_variable_values", None)
        if self.used:
            # `fit` would leave the average in the model at its end. A run may be several `fit`s,
            # and the next would train on that.
            model.optimizer.finalize_variable_values = lambda variables: None

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self.put_in()

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self.take_out()

    def put_in(self) -> None:
        """Put the average into the model, if there is one."""
        if not self.used or self._weights is not None:
            return
        assert self._finalize is not None
        variables = self.model.trainable_variables
        self._weights = _copies(variables)
        self._finalize(variables)
        # On JAX the model has the very arrays of the optimizer now, and a step of validation
        # deletes what it was given.
        for variable, value in zip(variables, _copies(variables), strict=True):
            variable.assign(value)

    def take_out(self) -> None:
        """Put the weights themselves back, if the average is in their place."""
        weights, self._weights = self._weights, None
        if weights is not None:
            for variable, value in zip(self.model.trainable_variables, weights, strict=True):
                variable.assign(value)

    @contextmanager
    def in_model(self) -> Iterator[None]:
        """Within, the model has the average, if there is one."""
        self.put_in()
        try:
            yield
        finally:
            self.take_out()


def _copies(variables: Iterable[Any]) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(each)) for each in variables]


def _uses(optimizer: Any) -> bool:
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of mixed precision
    return bool(getattr(inner, "use_ema", False))
