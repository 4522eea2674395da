"""`keras.utils.PyDataset` of batches that a function makes; a module of its own imports Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


class Sequence(keras.utils.PyDataset):  # type: ignore[misc]
    def __init__(self, batches: int, make: Callable[[int], Any], **options: Any) -> None:
        super().__init__(**options)
        self.batches, self.make = batches, make

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int) -> Any:
        return self.make(index)
