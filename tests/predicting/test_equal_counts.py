"""Of all assignments with equal counts it is the most probable one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.predicting.equal_counts import LEAST, equal_counts


def log_probability(probabilities: np.ndarray, labels: np.ndarray) -> float:
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(np.log(np.maximum(chosen, LEAST)).sum())


def is_even(labels: np.ndarray, classes: int) -> bool:
    found = np.bincount(labels, minlength=classes)
    return bool(found.max() - found.min() <= 1)


@given(st.integers(1, 7), st.integers(2, 4), st.sampled_from([0.1, 1.0]), st.integers(0, 2**16))
def test_no_other_assignment_is_more_probable(
    records: int, classes: int, spread: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(classes, spread) * rng.uniform(0.5, 2, classes), records)
    labels = equal_counts(probabilities)
    assert is_even(labels, classes)
    every = map(np.array, itertools.product(range(classes), repeat=records))
    best = max(log_probability(probabilities, one) for one in every if is_even(one, classes))
    assert log_probability(probabilities, labels) == pytest.approx(best, abs=1e-6)


def test_answers_that_are_even_already_stay_as_they_are() -> None:
    probabilities = np.random.default_rng(0).dirichlet([0.2] * 5, 500)
    likeliest = probabilities.argmax(axis=1)
    taken = np.concatenate([np.flatnonzero(likeliest == label)[:60] for label in range(5)])
    assert (equal_counts(probabilities[taken]) == likeliest[taken]).all()


def test_what_says_nothing_is_divided_evenly() -> None:
    for records in (0, 1, 9, 10, 23):
        assert is_even(equal_counts(np.full((records, 10), 0.1)), 10)
    certain = np.zeros((8, 3))
    certain[:, 1] = 1  # all for one class, the others ruled out
    assert is_even(equal_counts(certain), 3)
