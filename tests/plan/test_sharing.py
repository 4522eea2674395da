"""Which run a generator works for: single decisions, and what a fleet of deciders comes to."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushfit.plan import sharing
from pushfit.plan.sharing import DECIDE_SECONDS, SETTLE_SECONDS, STINT_SECONDS, View, first, onward

GONE = View()
views = st.one_of(
    st.none(), st.builds(View, st.booleans(), st.integers(0, 9), st.booleans())
)  # None: over
lists = st.lists(views, min_size=1, max_size=5)
luck = st.floats(0, 1, exclude_max=True)


@given(lists, st.integers(0, 99), st.floats(0, 9), luck)
def test_who_is_free_begins_where_somebody_is_there_and_only_waits_for_its_own(
    runs: list[View | None], place: int, waited: float, chance: float
) -> None:
    there = [number for number, run in enumerate(runs) if run and run.there]
    own, number = runs[place % len(runs)], first(runs, place, waited, chance)
    if number is None:
        assert not there or (own and not own.there and waited < SETTLE_SECONDS)
        return
    assert number in there
    wanting = [each for each in there if runs[each].wants]  # type: ignore[union-attr]
    assert number in (wanting or there)
    if place % len(runs) in (wanting or there):
        assert number == place % len(runs)


@given(lists, st.data(), st.floats(0, 99), st.floats(0, 1), luck)
def test_nobody_goes_where_nothing_is_to_be_had_or_leaves_work_for_no_reason(
    runs: list[View | None], data: st.DataObject, stayed: float, idle: float, chance: float
) -> None:
    here = data.draw(st.integers(0, len(runs) - 1))
    number = onward(runs, here, stayed=stayed, idle=idle, luck=chance)
    wanting = {at: run for at, run in enumerate(runs) if run and run.there and run.wants}
    wanting.pop(here, None)
    if number is None:
        return
    assert number in wanting
    goal, mine = wanting[number], runs[here]
    ours = max(1, mine.working if mine else 1)
    assert goal.working == min(run.working for run in wanting.values())
    reasons = (
        idle > sharing.IDLE_SHARE,
        ours == 1 and goal.working == 0 and stayed >= STINT_SECONDS,
        ours > 1 and goal.working == 0,
        ours - goal.working >= 2,
    )
    assert any(reasons)


def test_who_works_alone_stays_for_its_stint_and_then_goes() -> None:
    runs = [View(True, 1, True), View(True, 1, True), View(True, 0, True)]
    for stayed, goes in ((STINT_SECONDS - 0.1, None), (STINT_SECONDS, 2)):
        assert onward(runs, 0, stayed=stayed, idle=0.0, luck=0.999) == goes
    assert onward(runs, 0, stayed=3.0, idle=0.0, luck=0.0, stint=3.0) == 2


class Fleet:
    """So many deciders, one second a step; they see what was so `LATE` seconds ago.

    needs: generators that each run can use; what is beyond that idles. None: the run is over.
    """

    LATE = 1

    def __init__(self, size: int, needs: list[float | None], seed: int) -> None:
        self.needs, self.random = needs, random.Random(seed)
        self.at: list[int | None] = [None] * size
        self.since = [0.0] * size
        self.decided = [0.0] * size
        self.idle = [0.0] * size
        self.seen = [self._views()]
        self.moves = self.now = 0
        self.without = [0] * len(needs)  # seconds that each run has had nobody
        self.longest = list(self.without)

    def _views(self) -> list[View | None]:
        counts = self.counts()
        return [
            None if need is None else View(True, count, count < need)
            for need, count in zip(self.needs, counts, strict=True)
        ]

    def counts(self) -> list[int]:
        return [sum(each == number for each in self.at) for number in range(len(self.needs))]

    def step(self) -> None:
        self.now += 1
        runs, counts = self.seen[max(0, len(self.seen) - 1 - self.LATE)], self.counts()
        for one, here in enumerate(self.at):
            goes: int | None = None
            if here is None or self.needs[here] is None:
                goes = first(runs, one, 9.0, self.random.random())
            else:
                need = self.needs[here]
                assert need is not None
                self.idle[one] += max(0.0, 1 - need / counts[here])
                if (spent := self.now - self.decided[one]) >= DECIDE_SECONDS:
                    goes = onward(
                        runs, here, stayed=self.now - self.since[one],
                        idle=self.idle[one] / spent, luck=self.random.random(),
                    )  # fmt: skip
                    self.decided[one], self.idle[one] = self.now, 0.0
            if goes is not None:
                self.at[one], self.since[one], self.decided[one] = goes, self.now, self.now
                self.moves += 1
        self.seen.append(self._views())
        for number, count in enumerate(self.counts()):
            self.without[number] = 0 if count else self.without[number] + 1
            self.longest[number] = max(self.longest[number], self.without[number])


HUNGRY = 1e9


@settings(max_examples=30)
@given(st.integers(2, 40), st.integers(1, 5), st.integers(0, 2**32))
def test_hungry_runs_share_a_fleet_evenly_and_then_nobody_moves(
    size: int, runs: int, seed: int
) -> None:
    size = max(size, runs)
    fleet = Fleet(size, [HUNGRY] * runs, seed)
    fleet.at = [0] * size  # the others came late
    for _ in range(120):
        fleet.step()
    counts, moves = fleet.counts(), fleet.moves
    assert max(counts) - min(counts) <= 1
    for _ in range(60):
        fleet.step()
    assert fleet.moves == moves


@settings(max_examples=30)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32))
def test_fewer_processes_than_runs_serve_all_of_them(size: int, more: int, seed: int) -> None:
    runs = size + more
    fleet = Fleet(size, [HUNGRY] * runs, seed)
    for _ in range(600):
        fleet.step()
    rounds = -(-runs // size)
    assert max(fleet.longest) <= 2 * rounds * (STINT_SECONDS + DECIDE_SECONDS)


@settings(max_examples=30)
@given(st.integers(4, 30), st.floats(0.2, 2.5), st.integers(0, 2**32))
def test_a_run_with_a_slow_consumer_keeps_what_it_needs_and_no_more(
    size: int, need: float, seed: int
) -> None:
    fleet = Fleet(size, [need, HUNGRY], seed)
    fleet.at = [0] * size
    used = 0.0
    for second in range(200):
        fleet.step()
        slow, hungry = fleet.counts()
        used += (min(slow, need) + hungry) / size if second >= 50 else 0.0
    assert used / 150 > 1 - 2.0 / size  # fewer than two of them idle, on average
    assert fleet.longest[0] <= 3 * STINT_SECONDS


@pytest.mark.parametrize("seed", range(5))
def test_when_a_run_is_over_its_generators_go_to_the_others(seed: int) -> None:
    fleet = Fleet(9, [HUNGRY] * 3, seed)
    for _ in range(60):
        fleet.step()
    fleet.needs[1] = None
    for _ in range(60):
        fleet.step()
    counts = fleet.counts()
    assert counts[1] == 0 and sorted(counts) in ([0, 4, 5],)


def test_where_all_have_enough_nobody_moves() -> None:
    fleet = Fleet(12, [1.0, 2.0, 0.5], 0)
    for _ in range(30):
        fleet.step()
    moves = fleet.moves
    for _ in range(300):
        fleet.step()
    assert fleet.moves == moves
