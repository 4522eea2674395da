"""Weights decide how often a record comes, to a visit; groups keep together what lies together."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pushfit.plan.choosing import chosen
from pushfit.plan.order import Plan, SplitOrder, visit_records
from pushfit.tasks import visiting

SHARPEST = float(np.nextafter(np.float64(1), 0))  # the largest offset
CLOSE = 1e-6  # of an expected count, where float64 may round to the other side of a whole number
PINNED_WEIGHTED = [4, 2, 2, 6, 4, 4, 5]
PINNED_GROUPED = [4, 6, 5, 0, 3, 1, 2]
PINNED_LARGE = 250305655161120

seeds = st.integers(0, 2**63)
float32 = st.floats(0, 1, width=32) | st.floats(0, 2.0**120, width=32)
weights = st.lists(float32, min_size=1, max_size=40).filter(any)


def packed(weights: list[float]) -> bytes:
    return visiting.of(weights, (), len(weights)).weights


def weighted(weights: list[float], **more: object) -> SplitOrder:
    return SplitOrder((len(weights),), 1, weights=packed(weights), **more)  # type: ignore[arg-type]


@given(seeds, weights, st.integers(0, 3))
def test_a_record_comes_as_often_as_expected_rounded_down_or_up(
    seed: int, weights: list[float], epoch: int
) -> None:
    visited = visit_records(seed, "train", epoch, weighted(weights))
    assert len(visited) == len(weights)
    came = np.bincount(visited, minlength=len(weights))
    expected = np.array(weights) * (len(weights) / np.sum(weights))
    assert (np.floor(expected - CLOSE) <= came).all() and (came <= np.ceil(expected + CLOSE)).all()
    assert not came[np.array(weights) == 0].any()


@given(weights, st.floats(0, SHARPEST) | st.just(SHARPEST))
def test_any_offset_chooses_as_many_as_there_are_and_none_of_weight_0(
    weights: list[float], offset: float
) -> None:
    records = chosen(packed(weights), offset)
    assert records.dtype == np.int64 and len(records) == len(weights)
    assert (np.diff(records) >= 0).all()
    assert np.array(weights, np.float32)[records].all()


@given(seeds, st.integers(1, 200), st.floats(2.0**-40, 2.0**40, width=32))
def test_equal_weights_show_each_record_once(seed: int, records: int, weight: float) -> None:
    visited = visit_records(seed, "train", 0, weighted([weight] * records))
    assert sorted(visited.tolist()) == list(range(records))


def test_over_many_epochs_the_shares_are_those_of_the_weights() -> None:
    order = weighted([0.1, 0.25, 0.65, 0, 3.0])
    visited = np.concatenate([visit_records(5, "train", e, order) for e in range(2000)])
    shares = np.bincount(visited, minlength=5) / len(visited)
    assert np.abs(shares - np.array([0.1, 0.25, 0.65, 0, 3.0]) / 4).max() < 0.005


@given(seeds, weights, st.integers(1, 50), st.integers(1, 5))
def test_epochs_of_any_length_cut_the_weighted_passes(
    seed: int, weights: list[float], length: int, epochs: int
) -> None:
    whole, cut = weighted(weights), weighted(weights, visits_per_epoch=length)
    passes = -(-length * epochs // len(weights))
    endless = np.concatenate([visit_records(seed, "train", n, whole) for n in range(passes)])
    together = np.concatenate([visit_records(seed, "train", n, cut) for n in range(epochs)])
    assert (together == endless[: len(together)]).all()


@given(seeds, weights, st.integers(0, 3))
def test_without_shuffling_the_same_records_come_in_natural_order(
    seed: int, weights: list[float], epoch: int
) -> None:
    shuffled = visit_records(seed, "train", epoch, weighted(weights))
    ordered = visit_records(seed, "train", epoch, weighted(weights, shuffle=False))
    assert ordered.tolist() == sorted(shuffled.tolist())


numbers = st.lists(st.integers(0, 6) | st.just(2**32 - 1), min_size=1, max_size=60)


@given(seeds, numbers, st.integers(1, 9), st.sampled_from(("alike", "weights", "balance")))
def test_the_records_of_some_groups_at_a_time_come_together(
    seed: int, groups: list[int], together: int, how: str
) -> None:
    count = len(groups)
    weights = packed([float(n % 3) + 0.5 for n in range(count)])
    chosen_by = {"alike": {}, "weights": {"weights": weights}, "balance": {"balance": True}}[how]
    plain = SplitOrder((count - count // 3, count // 3), 1, **chosen_by)  # type: ignore[arg-type]
    group_of = visiting.of((), groups, count).groups
    order = replace(plain, group_of=group_of, together=together)
    visited = visit_records(seed, "train", 1, order)
    assert sorted(visited.tolist()) == sorted(visit_records(seed, "train", 1, plain).tolist())
    seen: list[set[int]] = [set()]  # the groups that are open at a time
    for group in (groups[record] for record in visited):
        if group not in seen[-1] and len(seen[-1]) == together:
            seen.append(set())
        seen[-1].add(group)
    assert sum(map(len, seen)) == len({groups[record] for record in visited})  # none comes again


def test_groups_are_shuffled_and_so_is_what_is_in_them() -> None:
    groups = np.repeat(np.arange(40), 25)
    order = SplitOrder((1000,), 1, group_of=visiting.of((), groups, 1000).groups, together=4)
    first, second = (visit_records(3, "train", epoch, order) for epoch in (0, 1))
    blocks = groups[first].reshape(10, 100)
    assert all(len(set(block)) == 4 for block in blocks.tolist())
    assert all((np.diff(block) != 0).sum() > 40 for block in blocks)  # in turns of 4: 74 on average
    assert set(blocks[0].tolist()) != set(range(4))
    assert set(groups[second][:100].tolist()) != set(blocks[0].tolist())


def test_what_a_seed_chooses_is_pinned() -> None:
    """A change here, or on another machine, changes the stream of every data set with weights."""
    order = weighted([0.1, 0, 0.7, 1e-9, 1, 0.3, 0.33])
    assert visit_records(42, "train", 1, order).tolist() == PINNED_WEIGHTED
    group_of = visiting.of((), [5, 0, 0, 5, 9, 9, 9], 7).groups
    order = SplitOrder((3, 4), 1, group_of=group_of, together=1)
    assert visit_records(42, "train", 1, order).tolist() == PINNED_GROUPED
    large = weighted((np.arange(10**5) % 977 / 7).tolist())
    total = int((visit_records(42, "train", 0, large) * np.arange(10**5)).sum())
    assert total == PINNED_LARGE


def test_a_plan_with_weights_is_equal_and_has_a_hash() -> None:
    one, same, other = weighted([1, 2]), weighted([1, 2]), weighted([2, 1])
    assert one == same and hash(one) == hash(same) and one != other
    plan = Plan(1, 2, {"train": one}, 8, 0)
    assert [len(plan.records(segment)) for segment in plan.segments] == [2, 2]
