"""From what each run says of a record to one answer. Pure.

    mean       the class with the highest mean probability
    majority   the class that most runs take for the likeliest; among equals the mean decides

Where even that is equal, the first class in the run's order. A record that could not be read gets
the same probability for every class, and so the first class: somebody has to look at it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np


def combine(
    said: np.ndarray, how: Literal["mean", "majority"], bad: Collection[int] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """(labels (records,) int64, probabilities (records, classes) float64).

    said: (runs, records, classes), probabilities by each run; bad: records that were not seen.
    Probabilities are the mean over the runs, whatever decides the label.
    """
    mean = said.mean(axis=0, dtype=np.float64)
    if bad:
        mean[list(bad)] = 1 / mean.shape[1]
    if how == "mean":
        labels = mean.argmax(axis=1)
    else:
        choices = said.argmax(axis=2)  # (runs, records)
        votes = (choices[..., np.newaxis] == np.arange(mean.shape[1])).sum(axis=0)
        most = votes == votes.max(axis=1, keepdims=True)
        labels = np.where(most, mean, -1.0).argmax(axis=1)
    if bad:
        labels[list(bad)] = 0
    return labels, mean


def accuracy(labels: np.ndarray, truth: np.ndarray) -> float | None:
    """The share of right answers among records whose true label is known (0 or more), if any is."""
    known = truth >= 0
    return float((labels == truth)[known].mean()) if known.any() else None


def confusion(labels: np.ndarray, truth: np.ndarray, classes: int) -> list[list[int]] | None:
    """How often each class (row) was taken for each (column), where the true one is known."""
    known = truth >= 0
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth[known], labels[known]), 1)
    table: list[list[int]] = counts.tolist()
    return table if known.any() else None
