"""Property tests of shards: the same stream for any number of trainers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.plan.batches import batches, start
from pushfit.plan.order import Plan, SplitOrder, visit_records
from pushfit.plan.shards import Shards


class Case:
    """A run of `epochs` epochs with `count` shards, on any number of trainers."""

    def __init__(self, records: int, patches: int, count: int, per_shard: int, window: int) -> None:
        self.splits = {
            "train": SplitOrder((records, 2), patches),
            "val": SplitOrder((records,), 1, shuffle=False, fresh=False),
        }
        self.count, self.per_shard, self.window = count, per_shard, window

    def plan(self, world: int, rank: int) -> Plan:
        shards = Shards(self.count, world, rank)
        size = self.per_shard * shards.each
        return Plan(7, 2, self.splits, 10, self.window, shards=shards, batch_size=size)

    def samples(self, world: int, rank: int) -> Iterator[list[tuple[int, int, int]]]:
        """(record, visit of the epoch, patch) of each sample of each batch of a trainer."""
        plan = self.plan(world, rank)
        for segment in plan.segments:
            records = plan.records(segment)
            for rows in batches(plan, segment, self.per_shard * plan.shards.each):
                visits, patches = np.divmod(rows, segment.patches)
                whole = plan.shards.visit(visits)
                yield list(
                    zip(records[visits].tolist(), whole.tolist(), patches.tolist(), strict=True)
                )


cases = st.builds(
    Case,
    records=st.integers(1, 23),
    patches=st.integers(1, 3),
    count=st.sampled_from([1, 2, 4, 6]),
    per_shard=st.integers(1, 5),
    window=st.integers(0, 9),
)


def divisors(count: int) -> list[int]:
    return [world for world in range(1, count + 1) if count % world == 0]


@given(cases)
def test_the_batches_of_the_ranks_side_by_side_are_the_same_for_any_number_of_trainers(
    case: Case,
) -> None:
    one = list(case.samples(1, 0))
    for world in divisors(case.count):
        ranks = [case.samples(world, rank) for rank in range(world)]
        together = [[*chain(*parts)] for parts in zip(*ranks, strict=True)]
        assert together == one


@given(cases)
def test_each_visit_comes_with_all_its_samples_once_and_padding_is_the_first_visits(
    case: Case,
) -> None:
    plan = case.plan(1, 0)
    samples = case.samples(1, 0)
    for segment in plan.segments:
        order = plan.splits[segment.split]
        records = visit_records(7, segment.split, segment.epoch, order)
        size = case.per_shard * case.count
        of_epoch = [*chain(*islice(samples, segment.batches(size)))]
        padded = -order.visits % case.count
        assert sorted((visit, patch) for _, visit, patch in of_epoch) == [
            (visit, patch)
            for visit in range(order.visits + padded)
            for patch in range(order.patches)
        ]
        assert all(record == records[visit % order.visits] for record, visit, _ in of_epoch)
        assert sum(plan.shards.padding(order.visits)) == padded


@given(cases, st.data())
def test_no_more_visits_are_open_than_the_window_says(case: Case, data: st.DataObject) -> None:
    world = data.draw(st.sampled_from(divisors(case.count)))
    plan = case.plan(world, data.draw(st.integers(0, world - 1)))
    for segment in plan.segments.epoch:
        taken = np.zeros(segment.visits, np.int64)
        for rows in batches(plan, segment, case.per_shard * plan.shards.each):
            for visit in (rows // segment.patches).tolist():
                first = int(np.flatnonzero(taken < segment.patches)[0])
                assert visit <= first + plan.window_of(segment)
                taken[visit] += 1


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 100))
def test_a_visit_is_of_one_rank(each: int, world: int, visit: int) -> None:
    ranks = [Shards(each * world, world, rank) for rank in range(world)]
    own = [(shards, number) for shards in ranks if (number := shards.own(visit)) is not None]
    ((shards, number),) = own
    assert shards.visit(number) == visit
    assert visit % shards.count in shards.held


@given(cases, st.data())
def test_a_rank_continues_at_any_batch(case: Case, data: st.DataObject) -> None:
    world = data.draw(st.sampled_from(divisors(case.count)))
    plan = case.plan(world, data.draw(st.integers(0, world - 1)))
    size, segment = case.per_shard * plan.shards.each, plan.segments.epoch[0]
    step = data.draw(st.integers(1, segment.batches(size)))
    begin = start(plan, 0, step, size)
    if begin.segment:  # all of train was used
        assert step == segment.batches(size)
        return
    used = np.concatenate([*islice(batches(plan, segment, size), step)])
    visits = used // segment.patches
    assert (np.bincount(visits, minlength=begin.visit)[: begin.visit] == segment.patches).all()
    counts = np.bincount(visits, minlength=begin.visit + len(begin.taken))
    assert counts[begin.visit :].tolist() == begin.taken.tolist()


def test_one_shard_is_the_stream_as_it_was() -> None:
    splits = {"train": SplitOrder((9, 8), 3)}
    plan, sharded = Plan(7, 2, splits, 10, 4), Plan(7, 2, splits, 10, 4, shards=Shards(1, 1, 0))
    for segment in plan.segments:
        assert (plan.records(segment) == sharded.records(segment)).all()
        rows = zip(batches(plan, segment, 5), batches(sharded, segment, 5), strict=True)
        assert all((one == other).all() for one, other in rows)


def test_shards_are_mixed_each_in_its_own_order() -> None:
    plan = Plan(7, 1, {"train": SplitOrder((64,), 4)}, 10, 8, shards=Shards(2), batch_size=64)
    rows = np.concatenate([*batches(plan, plan.segments.epoch[0], 64)]).reshape(-1, 2, 32)
    first, second = (np.concatenate(rows[:, place]) // 4 // 2 for place in range(2))
    assert not (first == second).all()
    assert (np.sort(first) == np.sort(second)).all()


@pytest.mark.parametrize("world", [1, 2, 4])
def test_every_rank_has_as_many_batches(world: int) -> None:
    case = Case(13, 2, 4, 3, 4)
    assert len({len(list(case.samples(world, rank))) for rank in range(world)}) == 1
