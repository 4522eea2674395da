"""PyTorch's random state, as one sequence over the training steps.

Dropout of Keras draws from the generators of PyTorch there. So does each `DataLoader` that Keras
makes, for an epoch or a validation, and a run that is resumed makes others. The steps therefore
continue from the state that the step before has left, whatever was drawn in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from pushfit.training import hidden_state


class TorchRandom(keras.callbacks.Callback):  # type: ignore[misc]
    """Use it first in the list, and only on PyTorch.

    kept: the states after the last step, as `HiddenState.torch` has them; empty: no step was made.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Any] = []

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self.kept:
            hidden_state.put_torch(self.kept)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.kept = hidden_state.torch_states()


def torch_random() -> TorchRandom | None:
    """The callback where it is needed; None: on another back end."""
    return TorchRandom() if keras.backend.backend() == "torch" else None
