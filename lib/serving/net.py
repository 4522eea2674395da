"""The model of a run, as serving calls it: pictures in, probabilities of the classes out.

A call of a new size costs hundreds of milliseconds, so batches are filled up to a power of two and
each such size is called once at the start. `predict_on_batch` is as quick here as a function
compiled by hand (5 ms for one digit on two busy cores, either way), and knows every back end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from lib.errors import ConfigError
from lib.tasks.base import Task
from lib.trainer.models import head_names
from lib.trainer.runs import Run

HEAD = "class"


class Net:
    """most: pictures a call. Raises ConfigError where the model is not one of these classes."""

    def __init__(self, run: Run, most: int) -> None:
        self._model: keras.Model = run.model()
        self._names = [tensor.name for tensor in self._model.inputs]
        self._task: Task = run.task
        self._sizes = [2**power for power in range((most - 1).bit_length())] + [most]
        units = dict(zip(head_names(self._model), self._model.outputs, strict=True))
        head = units[HEAD] if HEAD in units else self._model.outputs[0]
        if head.shape[1:] != (len(run.classes),):
            raise ConfigError(
                f"the model in {run.file} gives {head.shape[1:]} numbers a picture, and the run "
                f"has {len(run.classes)} classes: is it a classifier?"
            )
        for size in self._sizes:
            self._call(
                [
                    np.zeros(
                        (size, *tensor.shape[1:]), keras.backend.standardize_dtype(tensor.dtype)
                    )
                    for tensor in self._model.inputs
                ]
            )

    def __call__(self, samples: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """(n, classes) float32 of n samples of the task."""
        batch = {
            name: np.stack([np.asarray(sample[name]) for sample in samples]) for name in samples[0]
        }
        x, _ = self._task.to_fit(batch)
        arrays = [x[name] for name in self._names] if isinstance(x, dict) else [x]
        size = next(size for size in self._sizes if size >= len(samples))
        padded = [np.concatenate([a, np.repeat(a[-1:], size - len(a), axis=0)]) for a in arrays]
        return self._call(padded)[: len(samples)]

    def _call(self, arrays: list[np.ndarray]) -> np.ndarray:
        x = dict(zip(self._names, arrays, strict=True)) if len(arrays) > 1 else arrays[0]
        y = self._model.predict_on_batch(x)
        probabilities: np.ndarray = np.asarray(y[HEAD] if isinstance(y, dict) else y, np.float32)
        return probabilities
