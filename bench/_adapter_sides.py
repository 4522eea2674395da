"""One way of reading a stored stream of noise, in a process of its own.

    python -m bench._adapter_sides SIDE FOLDER SECONDS

The consumer looks at the first number of each array, in the memory where the framework has it, and
asks for the next batch. Whole passes are timed from their first batch on, so what a framework does
to begin one is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import pushfit
from bench._apart import tell
from bench._flow import per
from bench._turns import Figures

EPOCHS = 10_000  # more than a measurement reads
WARM_PASSES = 1
SPLIT = "train"


def _plain(batch: Mapping[str, np.ndarray]) -> Iterable[np.ndarray]:
    return batch.values()


def _tensorflow(batch: Mapping[str, Any]) -> Iterable[np.ndarray]:
    return [np.asarray(memoryview(tensor)) for tensor in batch.values()]


def _keras(batch: tuple[Any, ...]) -> Iterable[np.ndarray]:
    import keras

    return [np.asarray(memoryview(tensor)) for tensor in keras.tree.flatten(batch)]


def _torch(batch: Mapping[str, Any]) -> Iterable[np.ndarray]:
    return [tensor.numpy() for tensor in batch.values()]


def _jax(batch: Mapping[str, Any]) -> Iterable[np.ndarray]:
    return [np.asarray(array) for array in batch.values()]


# side: (what makes something whose iterations are passes, the arrays of a batch of it)
SIDES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Iterable[np.ndarray]]]] = {
    "plain": (lambda stream: lambda: stream.batches(SPLIT), _plain),
    "tf": (lambda stream: stream.tf(SPLIT).__iter__, _tensorflow),
    "torch": (lambda stream: _loader(stream).__iter__, _torch),
    "jax": (lambda stream: lambda: stream.jax(SPLIT), _jax),
    "keras": (lambda stream: stream.keras(SPLIT).__iter__, _keras),
}


def _loader(stream: pushfit.BatchStream) -> Any:
    from torch.utils.data import DataLoader

    return DataLoader(stream.torch(SPLIT), batch_size=None)


def measure(side: str, folder: Path, seconds: float) -> Figures:
    """Batches a second, and microseconds of CPU a batch."""
    opened, arrays = SIDES[side]
    count, spent, used = 0, 0.0, 0.0
    with pushfit.stream(from_=folder, epochs=EPOCHS, splits=(SPLIT,)) as stream:
        begin = opened(stream)
        for number in range(EPOCHS):
            batches = iter(begin())
            next(batches)
            began, cpu, first = time.perf_counter(), time.process_time(), count
            for batch in batches:
                for array in arrays(batch):
                    array[(0,) * array.ndim]
                count += 1
            if number < WARM_PASSES:
                count = first
                continue
            spent += time.perf_counter() - began
            used += time.process_time() - cpu
            if spent >= seconds:
                break
    return {
        "batches_s": per(count, spent, "seconds"),
        "cpu_us": 1e6 * per(used, count, "batches"),
    }


if __name__ == "__main__":
    tell(measure)
