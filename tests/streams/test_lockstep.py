"""What a rank says whose training stands still: when, how often, and in which words."""

from __future__ import annotations

import re
from collections.abc import Collection

import pytest

from pushfit.feed.feed import Idle
from pushfit.plan.order import Segment
from pushfit.plan.shards import Shards
from pushfit.streams.lockstep import COLD_BATCHES, COLD_TIMES, PATIENCE_SECONDS, Lockstep

WARM = COLD_BATCHES + 1
TOLD = (
    "rank 0 of 2 has asked for no batch for 30 s, since it got batch 1,204 of epoch 3. A step of "
    "training waits for every rank. If another one has ended, start it again with the same "
    "settings (docs/many-gpus.md)"
)


def idle(
    since: float, number: int = 1203, split: str = "train", handed: int = WARM, epoch: int = 2
) -> Idle:
    return Idle(Segment(2 * epoch, split, epoch, 9999, 1, 1), number, handed, since)


def pace(world: int = 2, rank: int = 0) -> Lockstep:
    return Lockstep(Shards(4, world, rank), PATIENCE_SECONDS)


def said(one: Lockstep, at: Idle | None, seconds: range) -> dict[int, str]:
    """{second: what is said then} of a clock that ticks in these seconds."""
    return {second: text for second in seconds if (text := one.look(at, set(), float(second)))}


def test_it_is_said_after_the_patience_and_after_twice_that_time() -> None:
    one, stuck = pace(), idle(100.0)
    found = said(one, stuck, range(100, 701))
    assert [second - 100 for second in found] == [30, 60, 120, 240, 480]
    assert found[130] == TOLD
    assert " for 480 s, since it got batch 1,204 of epoch 3. " in found[580]
    # Once it continues, that is said once, and the next step has all of the patience.
    assert one.look(None, set(), 712.0) == "rank 0 of 2 continues after 612 s"
    assert one.look(None, set(), 713.0) == ""
    assert list(said(one, idle(713.0, 1204), range(713, 760))) == [743]


def test_a_step_that_is_over_in_time_is_not_mentioned() -> None:
    one = pace()
    for step in range(20):
        assert said(one, idle(20.0 * step, step), range(20 * step, 20 * step + 20)) == {}


def test_a_batch_that_was_taken_between_two_looks_counts_as_going_on() -> None:
    one = pace()
    assert one.look(idle(0.0), set(), 31.0)
    assert one.look(idle(40.0, 1204), set(), 40.5) == "rank 0 of 2 continues after 40 s"
    assert one.look(idle(41.0, 1205), set(), 41.5) == ""


def test_one_look_that_comes_late_says_it_once() -> None:
    one, stuck = pace(), idle(0.0)
    assert " for 500 s, " in one.look(stuck, set(), 500.0)
    assert list(said(one, stuck, range(501, 2000))) == [960, 1920]


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_first_steps_may_compile_and_have_more_time(split: str) -> None:
    one, cold = pace(), idle(0.0, 0, split, handed=COLD_BATCHES)
    assert list(said(one, cold, range(1000))) == [30 * COLD_TIMES, 60 * COLD_TIMES]
    kind = {"train": "batch 1", "val": "batch of val 1"}[split]
    assert f"since it got {kind} of epoch 3. " in one.look(cold, set(), 4000.0)


@pytest.mark.parametrize(
    ("world", "gone", "advice"),
    [
        (2, {1}, "not reach rank 1 any more: if it has ended, start it again with the same"),
        (4, {3, 1}, "reach rank 1 and rank 3 any more: if they have ended, start them again"),
        (2, {0}, "If another one has ended, start it again"),  # that is the one that speaks
        (2, {2, 2**53}, "If another one has ended, start it again"),  # there are none such
        (32, set(range(32)), "rank 1 and rank 2 and .* rank 8 and 23 others any more: if they"),
    ],
)
def test_ranks_that_no_generator_reaches_are_named(
    world: int, gone: Collection[int], advice: str
) -> None:
    one = Lockstep(Shards(32, world, 0), PATIENCE_SECONDS)
    assert re.search(advice, one.look(idle(0.0), gone, 30.0))
