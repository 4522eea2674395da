"""Combines the answers of several runs to a record into one. Pure.

    mean        the class with the highest mean probability
    geometric   the class with the highest geometric mean, so that a class that one run almost rules
                out seldom wins
    majority    the class that is the most probable one for most runs; among equals the mean decides

If even the mean is equal, the first class in the run's order is taken. A bad record gets the same
probability for every class, and so the first class: a person has to look at it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np

How = Literal["mean", "geometric", "majority"]
LEAST = 1e-7  # lower probabilities count as this, so that no single run can rule a class out


def combine(
    said: np.ndarray, how: How, bad: Collection[int] = (), weights: Sequence[float] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(labels (records,) int64, probabilities (records, classes) float64).

    said: (runs, records, classes), the probabilities of each run.
    how: mean, geometric or majority.
    bad: numbers of the bad records.
    weights: the weight of each run in the means; None: all are equal.
    The probabilities are the geometric mean if `how` is that, otherwise the mean over the runs.
    """
    if how == "geometric":
        logs = np.log(np.maximum(said, LEAST, dtype=np.float64))
        mean = np.exp(np.average(logs, axis=0, weights=weights))
        mean /= mean.sum(axis=1, keepdims=True)
    elif weights is None:
        mean = said.mean(axis=0, dtype=np.float64)
    else:
        mean = np.average(said, axis=0, weights=weights)
    if bad:
        mean[list(bad)] = 1 / mean.shape[1]
    if how == "majority":
        choices = said.argmax(axis=2)  # (runs, records)
        chosen = choices[..., np.newaxis] == np.arange(mean.shape[1])
        decided = said.max(axis=2) > said.min(axis=2)  # a run with equal probabilities has no vote
        votes = (chosen & decided[..., np.newaxis]).sum(axis=0)
        most = votes == votes.max(axis=1, keepdims=True)
        labels = np.where(most, mean, -1.0).argmax(axis=1)
    else:
        labels = mean.argmax(axis=1)
    if bad:
        labels[list(bad)] = 0
    return labels, mean
