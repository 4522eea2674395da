"""`keras.utils.PyDataset` of batches that a function makes; a module of its own imports Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras


class Sequence(keras.utils.PyDataset):  # type: ignore[misc]
    """batches: how many. make: returns the batch of a number. options: as Keras has them."""

    def __init__(self, batches: int, make: Callable[[int], Any], **options: Any) -> None:
        super().__init__(**options)
        self.batches, self.make = batches, make

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int) -> Any:
        return self.make(index)


class Taken:
    """An epoch of batches as `fit` takes them, short of making the back end's tensors of them."""

    def __init__(self, data: Sequence) -> None:
        from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

        self._adapter = PyDatasetAdapter(data, shuffle=True)

    def __iter__(self) -> Iterator[Any]:
        self._adapter.on_epoch_begin()
        yield from self._adapter.get_numpy_iterator()
        self._adapter.on_epoch_end()
