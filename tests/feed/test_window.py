"""Rows into batches: the same copy, whichever way it is made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pushfit.feed.buffers import Buffers
from pushfit.feed.source import Delivery
from pushfit.feed.window import SMALL_ROW, SMALL_SAMPLE, Window
from pushfit.plan.batches import Start
from pushfit.plan.leases import Lease
from pushfit.plan.order import Segment
from pushfit.tasks.base import ArraySpec

PATCHES, VISITS = 3, 20


def window(side: int, cuts: list[int], handed: list[Lease]) -> tuple[Window, np.ndarray]:
    """A window over 20 visits of 3 samples of `side` bytes, in leases that end at `cuts`."""
    segment = Segment(0, "train", 0, VISITS, PATCHES, side)
    samples = np.random.default_rng(0).integers(0, 256, (VISITS * PATCHES, side), np.uint8)

    def deliveries() -> Iterator[Delivery]:
        for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, VISITS], strict=True)):
            lease = Lease(number, segment, start, stop - start, 0)
            yield Delivery(lease, (samples[start * PATCHES : stop * PATCHES],), [])

    return Window(deliveries(), segment, handed.append, [], Start(), Buffers()), samples


@pytest.mark.parametrize("side", [784, SMALL_ROW, SMALL_ROW + 1, SMALL_SAMPLE + 1])
@pytest.mark.parametrize("cuts", [[], [1, 2, 3, 7, 12], list(range(1, VISITS))])
def test_any_order_of_rows_comes_out_as_asked(side: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(len(cuts))
    mixed = np.argsort(np.arange(VISITS * PATCHES) + 12 * rng.random(VISITS * PATCHES))
    for order in (np.arange(VISITS * PATCHES), mixed):
        handed: list[Lease] = []
        taking, samples = window(side, cuts, handed)
        for rows in np.split(order, [7, 8, 40]):
            arrays, places = taking.take(rows, (ArraySpec("image", "uint8", (side,)),))
            np.testing.assert_array_equal(arrays["image"], samples[rows])
            np.testing.assert_array_equal(places, rows)
        assert sorted(lease.id for lease in handed) == list(range(len(cuts) + 1))


def test_nothing_is_kept_of_leases_that_are_used_up() -> None:
    handed: list[Lease] = []
    taking, _ = window(8, list(range(1, VISITS)), handed)
    for start in range(0, VISITS * PATCHES, 6):
        taking.take(np.arange(start, start + 6), (ArraySpec("image", "uint8", (8,)),))
        assert len(taking._held) == len(taking._firsts) == 0
        assert len(handed) == (start + 6) // PATCHES


@pytest.mark.parametrize("side", [8, SMALL_SAMPLE + 1])
def test_a_row_is_given_once(side: int) -> None:
    taking, _ = window(side, [10], [])
    specs = (ArraySpec("image", "uint8", (side,)),)
    taking.take(np.arange(30), specs)
    with pytest.raises(RuntimeError, match=r"some of the rows .* were taken before"):
        taking.take(np.array([3, 31]), specs)
    taking.take(np.arange(30, 60), specs)
    with pytest.raises(RuntimeError, match=r"some of the rows .* were taken before"):
        taking.take(np.array([59]), specs)
