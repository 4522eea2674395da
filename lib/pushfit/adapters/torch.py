"""Batches for PyTorch: an `IterableDataset` whose items are whole batches.

    DataLoader(stream.torch("train"), batch_size=None)

A tensor shares its memory with the array that the batch was received into: no copy is made. The
types uint16, uint32 and uint64, for which PyTorch has few operations, become int32 and int64, which
is a copy.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from pushfit.adapters.reading import Reading, plain
from pushfit.errors import StreamError

BY = "PyTorch"
WIDER = {"uint16": "int32", "uint32": "int64", "uint64": "int64"}


class Batches(IterableDataset[dict[str, torch.Tensor]]):
    """Each iteration is one pass: the split's next epoch, as {array name: tensor (B, *shape)}."""

    def __init__(self, reading: Reading, split: str) -> None:
        super().__init__()
        self._reading, self._split = reading, split

    def __len__(self) -> int:
        return self._reading.steps(self._split)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        if get_worker_info() is not None:
            raise StreamError(
                "the DataLoader has num_workers > 0: generators make the samples already, and a "
                "copy of this process cannot use its connections. Leave num_workers out"
            )
        for arrays in plain(self._reading, self._split, BY):
            yield {name: tensor(array) for name, array in arrays.items()}


def tensor(array: np.ndarray) -> torch.Tensor:
    """`array` as a tensor, in the same memory where PyTorch has its type."""
    wider = WIDER.get(array.dtype.name)
    return torch.from_numpy(array.astype(wider) if wider else array)
