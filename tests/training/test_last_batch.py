"""How often a batch comes, so that several devices share it evenly."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pushfit.adapters.keras import Fits
from pushfit.feed.feed import Batch
from pushfit.training.last_batch import Repeated, copies


@given(st.integers(1, 16), st.integers(1, 40), st.data())
def test_copies_divide_and_are_told_from_a_whole_batch(
    devices: int, times: int, data: st.DataObject
) -> None:
    batch_size = devices * times
    rows = data.draw(st.integers(1, batch_size))
    count = copies(rows, batch_size, devices)
    assert rows * count % devices == 0
    if rows % devices == 0:
        assert count == 1
    else:
        assert rows * count != batch_size
        assert count <= 2 * devices


class Given:
    """It returns the arrays of a batch as they are."""

    shapes = [(None,), (None, 2)]

    def blank(self, rows: int) -> tuple[Any, ...]:
        return (np.zeros(rows), None)

    def of(self, batch: Batch) -> tuple[Any, ...]:
        return ({"a": batch.arrays["a"]}, None, batch.arrays["w"])


def made(rows: int) -> tuple[Any, ...]:
    arrays = {"a": np.arange(2 * rows).reshape(rows, 2), "w": np.arange(rows)}
    of = Repeated(cast(Fits, Given()), 3, 4).of
    return of(cast(Batch, type("OfArrays", (), {"arrays": arrays})))


def test_each_array_of_the_last_batch_is_repeated() -> None:
    x, y, weights = made(3)
    assert y is None
    assert weights.tolist() == [0, 1, 2] * 4
    assert x["a"].tolist() == [[0, 1], [2, 3], [4, 5]] * 4


def test_other_batches_stay_as_they_are() -> None:
    x, y, weights = made(5)
    assert (len(x["a"]), y, weights.tolist()) == (5, None, [0, 1, 2, 3, 4])
