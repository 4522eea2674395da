"""One answer from several runs, by the rules that the module states."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.predicting.combine import combine


def said(*runs: list[float]) -> np.ndarray:
    """One record, a list of probabilities for each run."""
    return np.array(runs, np.float32)[:, np.newaxis]


def test_the_mean_and_the_majority_may_differ() -> None:
    votes = said([0.6, 0.4], [0.6, 0.4], [0.0, 1.0])
    assert combine(votes, "mean")[0] == [1]
    assert combine(votes, "majority")[0] == [0]
    for how in ("mean", "majority"):
        assert combine(votes, how)[1] == pytest.approx(np.array([[0.4, 0.6]]))


def test_among_equal_votes_the_mean_decides_and_then_the_order() -> None:
    assert combine(said([0.6, 0.4, 0.0], [0.0, 0.1, 0.9]), "majority")[0] == [2]
    tie = said([0.5, 0.25, 0.25], [0.0, 0.5, 0.5], [0.25, 0.5, 0.25])
    assert combine(tie, "majority")[0] == [1]
    assert combine(said([0.5, 0.5], [0.5, 0.5]), "mean")[0] == [0]
    # The likeliest by the mean has no vote at all: it is not among the equals.
    assert combine(said([0.5, 0.0, 0.45], [0.0, 0.5, 0.45]), "majority")[0] == [0]


def test_a_record_that_was_not_seen_is_answered_alike_whatever_its_substitute_got() -> None:
    two = np.repeat(said([0.0, 0.9, 0.1], [0.1, 0.8, 0.1]), 2, axis=1)
    for how in ("mean", "majority"):
        labels, mean = combine(two, how, {1: "broken"})
        assert labels.tolist() == [1, 0]
        assert mean[1] == pytest.approx([1 / 3] * 3)


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 99))
def test_runs_that_say_the_same_are_answered_as_one(runs: int, classes: int, seed: int) -> None:
    one = np.random.default_rng(seed).random((1, 7, classes), np.float32)
    for how in ("mean", "majority"):
        assert (combine(np.repeat(one, runs, 0), how)[0] == one[0].argmax(axis=1)).all()
