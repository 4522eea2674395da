"""Ranks of one run share a fleet: they train in step, so none may starve beside a full buffer.

The deciders are those of `plan/sharing.py`; ranks are runs to them. A rank has a buffer. A step of
training takes a unit out of each, once all have one.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushfit.plan.sharing import DECIDE_SECONDS, STINT_SECONDS, TURN_SECONDS, View, first, onward

TICK = 0.5  # seconds
BUFFER_SECONDS = 20.0  # of the work of a generator, or of a rank's share of a larger fleet


class Ranks:
    """A fleet and the ranks that it feeds, second by second.

    speeds: units a second that each generator makes.
    step_seconds: of training; 0.0: it takes what there is.
    """

    def __init__(
        self, speeds: list[float], ranks: int, seed: int, *, step_seconds: float = 0.0
    ) -> None:
        self.speeds, self.random, self.step_seconds = speeds, random.Random(seed), step_seconds
        self.held, self.here = [0.0] * ranks, [True] * ranks
        self.buffer = BUFFER_SECONDS * max(1.0, sum(speeds) / ranks)  # units
        self.at: list[int | None] = [None] * len(speeds)
        self.since, self.decided, self.idle = ([0.0] * len(speeds) for _ in range(3))
        self.now = self.made = self.ready_at = 0.0
        self.steps = 0
        self.uneven = 0.0  # seconds that a rank has starved beside one with a full buffer
        self.longest = 0.0

    @property
    def patience(self) -> float:
        """Seconds that a rank may starve: a stint, or a turn of all that share a generator."""
        turns = -(-len(self.held) // len(self.speeds)) * TURN_SECONDS
        return max(STINT_SECONDS, turns) + 3 * DECIDE_SECONDS

    def views(self) -> list[View | None]:
        counts = [sum(at == rank for at in self.at) for rank in range(len(self.held))]
        return [
            View(here, count, held < self.buffer, held / self.buffer, held < 1) if here else View()
            for here, count, held in zip(self.here, counts, self.held, strict=True)
        ]

    def tick(self) -> None:
        self.now += TICK
        views = self.views()
        for one, speed in enumerate(self.speeds):
            here = self.at[one]
            goes: int | None = None
            if here is None or not self.here[here]:
                self.at[one] = None
                goes = first(views, one, 9.0, self.random.random())
            else:
                room = min(speed * TICK, self.buffer - self.held[here])
                self.held[here] += room
                self.made += room
                self.idle[one] += TICK * (1 - room / (speed * TICK))
                if (spent := self.now - self.decided[one]) >= DECIDE_SECONDS:
                    goes = onward(
                        views, here, stayed=self.now - self.since[one],
                        idle=self.idle[one] / spent, luck=self.random.random(),
                        ranks=[rank for rank in range(len(self.held)) if rank != here],
                    )  # fmt: skip
                    self.decided[one], self.idle[one] = self.now, 0.0
            if goes is not None:
                self.at[one], self.since[one], self.decided[one] = goes, self.now, self.now
        while self.now >= self.ready_at and min(self.held) >= 1 and all(self.here):
            self.held = [held - 1 for held in self.held]
            self.steps += 1
            self.ready_at = max(self.ready_at, self.now - TICK) + self.step_seconds
        starves = any(held < 1 for held in self.held) and any(
            held >= self.buffer for held in self.held
        )
        self.uneven = self.uneven + TICK if starves and all(self.here) else 0.0
        self.longest = max(self.longest, self.uneven)

    def run(self, seconds: float) -> int:
        """The steps of training in so many seconds."""
        before = self.steps
        for _ in range(int(seconds / TICK)):
            self.tick()
        return self.steps - before


fleets = st.lists(st.floats(0.3, 3.0), min_size=1, max_size=12)


@settings(max_examples=60)
@given(fleets, st.sampled_from([2, 4, 8]), st.integers(0, 2**32))
def test_a_fleet_of_any_size_feeds_all_ranks(speeds: list[float], ranks: int, seed: int) -> None:
    fleet = Ranks(speeds, ranks, seed)
    fleet.run(200)
    steps = fleet.run(800)
    assert steps * ranks >= 0.8 * sum(speeds) * 800  # of what it could make without any move
    assert fleet.longest <= fleet.patience


@settings(max_examples=15)
@given(fleets, st.sampled_from([2, 4]), st.integers(0, 2**32))
def test_a_rank_that_dies_and_comes_back_is_fed_again(
    speeds: list[float], ranks: int, seed: int
) -> None:
    fleet = Ranks(speeds, ranks, seed)
    fleet.run(100)
    fleet.here[1], fleet.held[1] = False, 0.0
    assert fleet.run(60) == 0  # the others wait
    fleet.here[1] = True
    fleet.run(fleet.patience + 2 * BUFFER_SECONDS)
    assert fleet.run(400) * ranks >= 0.8 * sum(speeds) * 400
    assert fleet.longest <= fleet.patience


@pytest.mark.parametrize("ranks", [2, 4])
def test_a_slow_model_keeps_every_buffer_filled(ranks: int) -> None:
    fleet = Ranks([1.0] * 8, ranks, 7, step_seconds=1.25 * ranks / 8)
    fleet.run(400)
    assert fleet.run(400) == pytest.approx(400 / (1.25 * ranks / 8), rel=0.02)
    assert fleet.longest <= fleet.patience
