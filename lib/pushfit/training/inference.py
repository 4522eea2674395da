"""How long models take for a batch, measured on samples of noise."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from pushfit.tasks.base import Task

WARM = 3  # predictions before the clock starts: the first traces the model
LEAST, MOST = 5, 100  # timed predictions


def samples(task: Task, count: int) -> Any:
    """`count` samples of noise, as the model takes them."""
    rng = np.random.Generator(np.random.Philox(0))
    arrays = {
        spec.name: rng.integers(0, 256, (count, *spec.shape)).astype(spec.dtype)
        if spec.dtype == "uint8"
        else np.zeros((count, *spec.shape), spec.dtype)
        for spec in task.arrays()
    }
    return task.to_fit(arrays)[0]


def seconds(models: Sequence[Any], x: Any, limit: float) -> float:
    """Seconds that the models, one after the other, take for the batch `x`: the median.

    limit: seconds after which no more predictions are timed, once there are LEAST.
    """
    spent: list[float] = []
    for turn in range(WARM + MOST):
        began = time.perf_counter()
        for model in models:
            model.predict_on_batch(x)
        if turn >= WARM:
            spent.append(time.perf_counter() - began)
        if len(spent) >= LEAST and sum(spent) > limit:
            break
    return statistics.median(spent)
