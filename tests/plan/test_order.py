"""The order is a pure function of the seed, uses every record equally, mixes within a window."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.plan.batches import batches, place
from pushfit.plan.leases import Leases
from pushfit.plan.order import (
    MIX_BLOCK,
    Plan,
    Segment,
    Segments,
    SplitOrder,
    mixed,
    patch_rng,
    visit_records,
)

PINNED_RECORDS = [4, 0, 1, 6, 2, 3, 5]
PINNED_DRAW = [875, 692, 594, 874]
PINNED_MIX = [(0, 1), (0, 0), (1, 0), (1, 1), (2, 0), (3, 0), (2, 1), (3, 1)]

counts = st.lists(st.integers(1, 12), min_size=1, max_size=6).map(tuple)
seeds = st.integers(0, 2**63)


@given(seeds, counts, st.integers(0, 5))
def test_an_epoch_visits_every_record_once(seed: int, counts: tuple[int, ...], epoch: int) -> None:
    order = SplitOrder(counts, 4)
    visited = visit_records(seed, "train", epoch, order)
    assert sorted(visited.tolist()) == list(range(sum(counts)))


@given(seeds, counts, st.integers(1, 40), st.integers(1, 6))
def test_epochs_of_any_length_cut_one_endless_sequence_of_passes(
    seed: int, counts: tuple[int, ...], length: int, epochs: int
) -> None:
    order = SplitOrder(counts, 4, visits_per_epoch=length)
    together = np.concatenate([visit_records(seed, "train", e, order) for e in range(epochs)])
    records = sum(counts)
    for start in range(0, len(together) - records + 1, records):
        assert sorted(together[start : start + records].tolist()) == list(range(records))


@given(seeds, counts, st.integers(0, 4))
def test_balance_shows_each_class_equally_often_and_its_records_in_turn(
    seed: int, counts: tuple[int, ...], epochs: int
) -> None:
    order = SplitOrder(counts, 4, balance=True)
    bounds = np.cumsum([0, *counts])
    together = [visit_records(seed, "train", e, order) for e in range(epochs + 1)]
    for visited in together:
        labels = np.searchsorted(bounds, visited, side="right") - 1
        assert len(set(np.bincount(labels, minlength=len(counts)).tolist())) == 1
    used = np.bincount(np.concatenate(together), minlength=sum(counts))
    for low, high in pairwise(bounds):
        assert used[low:high].max() - used[low:high].min() <= 1


@given(seeds, counts, st.integers(0, 40), st.integers(1, 5))
def test_without_shuffling_passes_have_the_natural_order(
    seed: int, counts: tuple[int, ...], length: int, epochs: int
) -> None:
    order = SplitOrder(counts, 2, visits_per_epoch=length, shuffle=False)
    together = np.concatenate([visit_records(seed, "train", e, order) for e in range(epochs)])
    assert (together == np.arange(len(together)) % sum(counts)).all()
    plan = Plan(seed, epochs, {"train": order}, 8, 0)
    rows = [rows for segment in plan.segments for rows in batches(plan, segment, 3)]
    in_order = np.tile(np.arange(order.visits * 2), epochs)
    assert np.concatenate(rows).tolist() == in_order.tolist()
    fresh = [plan.patch_epoch(segment) for segment in plan.segments]
    assert fresh == list(range(epochs))  # samples are new in each epoch all the same


def test_epochs_and_seeds_differ_and_validation_does_not() -> None:
    train, val = SplitOrder((50, 50), 4), SplitOrder((9, 9), 1, shuffle=False, fresh=False)
    first, second = (visit_records(1, "train", e, train) for e in (0, 1))
    assert (first != second).any()
    assert (first != visit_records(2, "train", 0, train)).any()
    plan = Plan(1, 3, {"train": train, "val": val}, 100, 8)
    assert [(s.split, s.epoch) for s in plan.segments] == [
        ("train", 0), ("val", 0), ("train", 1), ("val", 1), ("train", 2), ("val", 2),
    ]  # fmt: skip
    assert [plan.patch_epoch(s) for s in plan.segments] == [0, 0, 1, 0, 2, 0]
    assert plan.records(plan.segments[3]).tolist() == list(range(18))
    several = Plan(1, 2, {"train": train, "val": SplitOrder((9, 9), 4, fresh=False)}, 100, 8)
    first, second = (next(several.mixed(several.segments[n])) for n in (1, 3))
    assert (first[0] == second[0]).all() and (first[1] == second[1]).all()


def test_patch_randomness_depends_on_each_of_its_names_and_on_nothing_else() -> None:
    names = (7, "train", 3, 20, 11, 5)
    first = patch_rng(*names).random(4)
    assert (patch_rng(*names).random(4) == first).all()
    others = [(8, *names[1:]), (7, "val", *names[2:])]
    others += [(*names[:i], names[i] + 1, *names[i + 1 :]) for i in range(2, 6)]  # type: ignore[operator]
    for other in others:
        assert (patch_rng(*other).random(4) != first).any(), other  # type: ignore[arg-type]


def test_the_order_of_a_seed_is_pinned() -> None:
    """A change here changes every stream: checkpoints of before would resume wrongly."""
    assert visit_records(42, "train", 1, SplitOrder((3, 4), 4)).tolist() == PINNED_RECORDS
    assert patch_rng(42, "train", 1, 2, 3, 4).integers(0, 1000, 4).tolist() == PINNED_DRAW
    visits, patches = next(mixed(42, Segment(0, "train", 0, 4, 2, 1), 2, 0))
    assert list(zip(visits.tolist(), patches.tolist(), strict=True)) == PINNED_MIX


@given(seeds, st.integers(1, 60), st.integers(1, 5), st.integers(0, 20))
def test_mixing_names_every_sample_once_and_opens_no_more_than_its_window(
    seed: int, visits: int, patches: int, window: int
) -> None:
    segment = Segment(0, "train", 0, visits, patches, 1)
    named = [pair for v, p in mixed(seed, segment, window, 0) for pair in zip(v, p, strict=True)]
    assert len(named) == len(set(named)) == visits * patches
    last_use = {visit: at for at, (visit, _) in enumerate(named)}
    newest = -1
    for at, (visit, _) in enumerate(named):
        newest = max(newest, visit)
        still_open = [v for v in range(newest + 1) if last_use[v] >= at]
        assert newest - min(still_open) <= window


def test_mixing_goes_on_over_the_border_of_its_blocks() -> None:
    segment = Segment(0, "train", 0, 2 * MIX_BLOCK + 10, 2, 1)
    blocks = list(mixed(3, segment, 16, 0))
    visits = np.concatenate([v for v, _ in blocks])
    assert len(visits) == segment.samples
    near_border = visits[2 * MIX_BLOCK - 16 : 2 * MIX_BLOCK + 16]
    assert (np.diff(near_border) < 0).any()  # out of natural order there, too


def test_mixing_spreads_a_visit_over_batches() -> None:
    segment = Segment(0, "train", 0, 200, 16, 1)
    visits = np.concatenate([v for v, _ in mixed(5, segment, 32, 0)])
    middle = visits[1600:1632]
    assert max(np.bincount(middle)) <= 5  # 16 without mixing


@given(st.integers(0, 5), st.lists(st.integers(1, 9), min_size=1, max_size=3), st.data())
def test_segments_are_those_of_a_list(epochs: int, visits: list[int], data: st.DataObject) -> None:
    splits = {f"s{n}": SplitOrder((each,), 2) for n, each in enumerate(visits)}
    listed = [
        Segment(epoch * len(visits) + n, f"s{n}", epoch, each, 2, 8)
        for epoch in range(epochs)
        for n, each in enumerate(visits)
    ]
    segments = Segments(epochs, splits, 8)
    assert list(segments) == listed and len(segments) == len(listed)
    assert [segments[n - len(listed)] for n in range(len(listed))] == listed
    start = data.draw(st.integers(0, len(listed)))
    assert list(segments.since(start)) == listed[start:]
    assert segments.visits_since(start) == sum(each.visits for each in listed[start:])
    assert segments.get(len(listed)) is None
    with pytest.raises(IndexError):
        segments[len(listed)]


def test_a_million_epochs_take_no_memory() -> None:
    tracemalloc.start()
    try:
        orders = {"train": SplitOrder((9,), 2), "val": SplitOrder((3,), 1)}
        plan = Plan(1, 10**6, orders, 8, 4, exact=False)
        leases = Leases(plan, budget=10**4, lease_bytes=64)
        assert leases.visits == 12 * 10**6
        assert place(plan, 10**6 - 1, 1, 4) == (2 * 10**6 - 2, 1)
        assert tracemalloc.get_traced_memory()[1] < 10**5
    finally:
        tracemalloc.stop()
