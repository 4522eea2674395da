"""A stored stream comes as it was live; beyond that each sample once, in orders of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pushfit.plan.batches import batches
from pushfit.plan.order import Plan, SplitOrder
from pushfit.plan.replay import MIX_GROUPS, ReplayPlan, StoredOrder

SAMPLE = 8
PINNED_GROUPS = [(8, 1), (0, 2), (6, 2), (2, 2), (4, 2)]


def plan(
    visits: int, patches: int, stored: int, group: int, epochs: int, **more: Any
) -> ReplayPlan:
    splits = {
        "train": StoredOrder.of(
            visits, patches, stored, group, fresh=True, shuffle=more.get("shuffle", True)
        ),
        "val": StoredOrder.of(5, 2, 1, group, fresh=False),
    }
    return ReplayPlan(more.get("seed", 3), epochs, splits, SAMPLE, more.get("window", 4))


@st.composite
def plans(draw: Any) -> ReplayPlan:
    stored = draw(st.integers(1, 3))
    return plan(
        *(draw(st.integers(1, 60)), draw(st.integers(1, 4)), stored, draw(st.integers(1, 9))),
        epochs=stored + draw(st.integers(0, 3)),
        seed=draw(st.integers(0, 99)),
        window=draw(st.integers(0, 12)),
        shuffle=draw(st.booleans()),
    )


def rows_of(one: Plan, index: int) -> np.ndarray:
    return np.concatenate([*batches(one, one.segments[index], 7)])


@given(plans())
def test_each_sample_comes_once_in_every_epoch(one: ReplayPlan) -> None:
    for segment in one.segments:
        rows = rows_of(one, segment.index)
        every = list(range(segment.samples))
        assert sorted(rows.tolist()) == every
        assert sorted(one.places(segment, rows).tolist()) == every
        delivered = [v for first, count in one.groups(segment) for v in range(first, first + count)]
        assert sorted(delivered) == list(range(segment.visits))
        visits = one.places(segment, np.arange(segment.visits) * segment.patches)
        assert (visits // segment.patches).tolist() == delivered


@given(plans())
def test_stored_epochs_and_validation_come_as_they_were_live(one: ReplayPlan) -> None:
    orders = {
        name: SplitOrder(order.counts, order.patches, shuffle=order.fresh, fresh=order.fresh)
        for name, order in one.stored.items()
    }
    stored = one.stored["train"].epochs
    live = Plan(one.seed, stored + 3, orders, SAMPLE, one.window)
    for segment in one.segments:
        if segment.split == "train" and segment.epoch >= stored:
            continue
        assert one.stored_epoch(segment) == (segment.epoch if segment.split == "train" else 0)
        rows = rows_of(one, segment.index)
        np.testing.assert_array_equal(rows, rows_of(live, segment.index))
        np.testing.assert_array_equal(one.places(segment, rows), rows)
        firsts = [first for first, _ in one.groups(segment)]
        assert firsts == sorted(firsts)


@given(st.integers(1, 60), st.integers(1, 4), st.integers(1, 9), st.integers(0, 12))
def test_without_shuffling_epochs_that_come_again_are_as_stored(
    visits: int, patches: int, group: int, window: int
) -> None:
    one = plan(visits, patches, 2, group, 5, window=window, shuffle=False)
    for segment in one.segments:
        firsts = [first for first, _ in one.groups(segment)]
        assert firsts == sorted(firsts)
        assert one.window_of(segment) == (window if segment.patches > 1 else 0)
        rows = rows_of(one, segment.index)
        np.testing.assert_array_equal(one.places(segment, rows), rows)
        if window == 0 and segment.split == "train":
            np.testing.assert_array_equal(rows, np.arange(segment.samples))


@given(plans())
def test_the_order_is_a_pure_function(one: ReplayPlan) -> None:
    splits, epochs = one.stored, len(one.segments) // len(one.segments.epoch)
    other = ReplayPlan(one.seed, epochs, splits, SAMPLE, one.window)
    for index in reversed(range(len(one.segments))):  # asked in another order, too
        segment = one.segments[index]
        assert list(one.groups(segment)) == list(other.groups(segment))
        np.testing.assert_array_equal(rows_of(one, index), rows_of(other, index))


def test_an_epoch_that_reordered_has_other_batches_each_time() -> None:
    """Even with a sample a visit, which live streams do not mix at all."""
    one = plan(1_000, 1, stored=2, group=10, epochs=6, window=32)
    seen = []
    for segment in one.segments:
        if segment.split == "train":
            places = one.places(segment, rows_of(one, segment.index))
            seen.append(places)
            assert one.reordered(segment) == (segment.epoch >= 2)
            assert one.stored_epoch(segment) == segment.epoch % 2
    np.testing.assert_array_equal(seen[0], np.arange(1_000))
    for again in seen[2:]:
        mates = [set(places.tolist()) for places in np.split(again, 50)]
        groups = [len({place // 10 for place in batch}) for batch in mates]
        assert np.median(groups) >= MIX_GROUPS // 2 + 1  # a batch of 20 is of many groups
        for other in seen:
            if other is not again:
                before = [set(places.tolist()) for places in np.split(other, 50)]
                shared = [max(len(batch & old) for old in before) for batch in mates]
                assert max(shared) <= 10  # no batch is one of another epoch, nor most of it


def test_another_seed_and_another_epoch_have_orders_of_their_own() -> None:
    orders = set()
    for seed in range(3):
        one = plan(200, 2, stored=1, group=2, epochs=4, seed=seed)
        again = [s for s in one.segments if one.reordered(s)]
        orders |= {tuple(one.groups(segment)) for segment in again}
    assert len(orders) == 9


def test_the_order_is_this_one() -> None:
    """A change of it would give runs that go on other batches: it is one to be announced."""
    one = plan(9, 1, stored=1, group=2, epochs=2, seed=0)
    assert list(one.groups(one.segments[2])) == PINNED_GROUPS


@given(plans())
def test_no_more_visits_are_open_than_the_window(one: ReplayPlan) -> None:
    for segment in one.segments:
        visits = rows_of(one, segment.index) // segment.patches
        window = one.window_of(segment)
        highest = np.maximum.accumulate(visits)
        left = np.full(segment.visits, segment.patches)
        for visit, top in zip(visits.tolist(), highest.tolist(), strict=True):
            left[visit] -= 1
            lowest = int(np.flatnonzero(left)[0]) if left.any() else top
            assert top - lowest <= window + 1
