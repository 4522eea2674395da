"""Weights of records: what they may be, how they travel, and those of a mixture."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.errors import ConfigError
from pushfit.tasks.base import DataSet, Record
from pushfit.tasks.weights import complaint, mixture, pack, unpack

WEIGHTS = st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=30).filter(any)


@given(WEIGHTS)
def test_they_travel_unchanged(weights: list[float]) -> None:
    found = unpack(pack(weights), len(weights))
    assert found.tolist() == weights
    assert pack(np.array(weights)) == pack(tuple(weights)) == pack(weights)
    assert pack(()) == b""


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ((1.0, 2.0), "it has 2 weights for the 3 records of train: give one for each"),
        (np.ones((3, 2)), r"it has weights of shape \(3, 2\) for the 3 records"),
        ((1.0, -2.0, 1.0), r"the weight of record 1 is -2\.0: it must be 0 or more, and finite"),
        ((1.0, 1.0, float("nan")), "the weight of record 2 is nan"),
        ((1.0, float("inf"), 1.0), "the weight of record 1 is inf"),
        ((0.0, 0.0, 0.0), "all weights are 0, so nothing would be visited"),
        (("a", "b", "c"), "weights must be numbers"),
    ],
)
def test_what_they_may_not_be(weights: Any, said: str) -> None:
    assert re.search(said, complaint(weights, 3))
    assert complaint((0.5, 0, 2), 3) == ""


@pytest.mark.parametrize(
    "packed",
    [
        *(b"", b"x", pack((1.0, 2.0)), pack((1.0,) * 4), pack((1.0,) * 3)[:-1]),
        pack((0.0, 0.0, 0.0)),
        pack((1.0, float("nan"), 1.0)),
        zlib.compress(bytes(2**24)),
    ],
)
def test_what_comes_from_elsewhere_is_checked(packed: bytes) -> None:
    with pytest.raises(ValueError, match="weight"):
        unpack(packed, 3)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=50), st.data())
def test_each_source_of_a_mixture_gets_its_share(sources: list[str], data: st.DataObject) -> None:
    shares = {source: data.draw(st.floats(0.01, 10)) for source in sorted(set(sources))}
    weights = mixture(sources, shares)
    assert weights.dtype == np.float32
    for source in set(sources):
        got = sum(weights[n] for n, each in enumerate(sources) if each == source)
        assert got / weights.sum() == pytest.approx(shares[source] / sum(shares.values()), 1e-4)
    assert all(count > 0 for count in Counter(sources).values())


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"a": 1}, "there are records of 'b', and shares has no share for it"),
        ({"a": 1, "b": -1}, "the share of 'b' is -1: it must be 0 or more"),
        ({"a": 1, "b": float("nan")}, "the share of 'b' is nan"),
        ({"a": 1, "b": 1, "c": 0.5}, "'c' has a share of 0.5, and there are no records of it"),
    ],
)
def test_a_mixture_that_cannot_be(shares: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        mixture(["a", "a", "b"], shares)
    assert mixture(["a", "a", "b"], {"a": 1, "b": 0, "c": 0}).tolist() == [0.5, 0.5, 0.0]


def test_they_are_part_of_the_fingerprint() -> None:
    records = (Record("a"), Record("b"))

    def fingerprint(weights: Any) -> str:
        return DataSet(("x",), {"train": records}, weights=weights).fingerprint()

    assert fingerprint((1, 2)) == fingerprint(np.array([1.0, 2.0]))
    assert len({fingerprint(()), fingerprint((1, 2)), fingerprint((2, 1))}) == 3
    data = DataSet(("x",), {"train": records}, weights=np.array([1.0, 2.0]))
    assert data.compact() == data.compact()
    assert data.compact().fingerprint() == data.fingerprint()
