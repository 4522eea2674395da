"""The model of a run for serving: from samples to the probabilities of the classes.

The first call with a new size costs hundreds of milliseconds, so batches are padded to a power of
two and each such size is called once at the start. `predict_on_batch` is as fast here as a function
compiled by hand (5 ms for one digit on two busy cores), and works with every back end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from pushfit.errors import ConfigError
from pushfit.tasks.base import Task
from pushfit.training.models import head_names
from pushfit.training.trained_run import Run

HEAD = "class"


class Net:
    """The model of a run. Raises ConfigError if it is not a classifier of the run's classes.

    most: most pictures in a call.
    """

    def __init__(self, run: Run, most: int) -> None:
        self._model: keras.Model = run.model()
        self._names = [tensor.name for tensor in self._model.inputs]
        self._task: Task = run.task
        self._sizes = [2**power for power in range((most - 1).bit_length())] + [most]
        units = dict(zip(head_names(self._model), self._model.outputs, strict=True))
        head = units[HEAD] if HEAD in units else self._model.outputs[0]
        if head.shape[1:] != (len(run.classes),):
            raise ConfigError(
                f"the model in {run.file} gives {head.shape[1:]} numbers for a picture, but the "
                f"run has {len(run.classes)} classes: only a classifier can be served"
            )
        for size in self._sizes:
            blank = self._call(
                [
                    np.zeros(
                        (size, *tensor.shape[1:]), keras.backend.standardize_dtype(tensor.dtype)
                    )
                    for tensor in self._model.inputs
                ]
            )
            if not np.isfinite(blank).all():
                raise ConfigError(
                    f"the model in {run.file} answers NaN or infinity: serve another run"
                )

    def __call__(self, samples: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """The probabilities for n samples of the task: (n, classes) float32."""
        batch = {
            name: np.stack([np.asarray(sample[name]) for sample in samples]) for name in samples[0]
        }
        x = self._task.to_fit(batch)[0]
        arrays = [x[name] for name in self._names] if isinstance(x, dict) else [x]
        size = next(size for size in self._sizes if size >= len(samples))
        padded = [np.concatenate([a, np.repeat(a[-1:], size - len(a), axis=0)]) for a in arrays]
        return self._call(padded)[: len(samples)]

    def _call(self, arrays: list[np.ndarray]) -> np.ndarray:
        x = dict(zip(self._names, arrays, strict=True)) if len(arrays) > 1 else arrays[0]
        y = self._model.predict_on_batch(x)
        probabilities: np.ndarray = np.asarray(y[HEAD] if isinstance(y, dict) else y, np.float32)
        return probabilities
