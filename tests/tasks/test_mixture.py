"""A mixture gives each source its share, whatever its size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit import mixture
from pushfit.errors import TaskError

sizes = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 300), min_size=1)


@given(sizes, st.data())
def test_each_source_has_its_share_of_the_weights(
    sizes: dict[str, int], data: st.DataObject
) -> None:
    shares = {source: data.draw(st.floats(0.01, 100)) for source in sizes}
    sources = [source for source, count in sizes.items() for _ in range(count)]
    weights = mixture(sources, shares)
    assert weights.dtype == np.float32 and weights.shape == (len(sources),)
    assert weights.mean(dtype=float) == pytest.approx(1)
    for source, share in shares.items():
        own = weights[np.array(sources) == source]
        assert own.sum(dtype=float) / len(weights) == pytest.approx(share / sum(shares.values()))
        assert len(set(own.tolist())) == 1


def test_sources_may_be_numbers_in_an_array_and_one_may_be_left_out() -> None:
    weights = mixture(np.array([3, 3, 8, 9]), {3: 1, 8: 1, 9: 0, 10: 0})
    assert weights.tolist() == [1, 1, 2, 0]


@pytest.mark.parametrize(
    ("shares", "what"),
    [
        ({"a": 1}, "the source 'b' has records and no share: give it one"),
        ({"a": 1, "b": 1, "c": 2}, r"no record is of 'c', .* share of 2: .*\(there are 'a', 'b'\)"),
        ({"a": 1, "b": -1}, "the share of 'b' is -1: give 0 or more"),
        ({"a": 1, "b": float("nan")}, "the share of 'b' is nan"),
        ({"a": 0, "b": 0}, "no source has a share above 0"),
    ],
)
def test_shares_that_cannot_be_had(shares: dict[Any, float], what: str) -> None:
    with pytest.raises(TaskError, match=what):
        mixture("aab", shares)
