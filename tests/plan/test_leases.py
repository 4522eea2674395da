"""Leases under thousands of random schedules: exactly once, in order, never above the budget."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushfit.errors import ConfigError
from pushfit.plan.leases import Lease, Leases, Verdict
from pushfit.plan.order import Plan, SplitOrder
from pushfit.plan.suspects import READ_TRIES

SAMPLE = 100  # bytes


def make_plan(
    visits: int = 20, epochs: int = 2, window: int = 4, patches: int = 3, *, exact: bool = True
) -> Plan:
    splits = {
        "train": SplitOrder((visits,), patches),
        "val": SplitOrder((max(1, visits // 3),), 1, shuffle=False, fresh=False),
    }
    return Plan(7, epochs, splits, SAMPLE, window, exact=exact)


def make(plan: Plan, *, room: int = 30, **more: object) -> Leases:
    options = {"budget": room * 3 * SAMPLE, "lease_bytes": 4 * 3 * SAMPLE, **more}
    return Leases(plan, **options)  # type: ignore[arg-type]


class World:
    """A fleet and a consumer that do, at random, everything that the table allows."""

    def __init__(self, seed: int, leases: Leases) -> None:
        self.random, self.leases = random.Random(seed), leases
        self.now = 0.0
        self.names = 0
        self.alive: dict[str, list[tuple[int, int]]] = {}  # generator → (lease, fence) in hand
        self.stale: list[tuple[str, int, int]] = []  # results that may still turn up
        self.delivered: list[tuple[int, int]] = []  # (segment, visit), as they came
        self.queue: list[Lease] = []  # delivered, not yet handed to fit
        self.open_rows: dict[int, int] = {}

    def step(self) -> None:
        action = self.random.choice(
            ["join", "grant", "grant", "finish", "finish", "finish", "hand", "hand", "kill",
             "replay", "unreadable", "drain", "time", "crash", "backup", "refuse"]
        )  # fmt: skip
        getattr(self, action)()
        assert 0 <= self.leases.charged <= self.leases.budget

    def some(self) -> str | None:
        return self.random.choice(list(self.alive)) if self.alive else None

    def join(self) -> None:
        if len(self.alive) < 5:
            self.names += 1
            name = f"g{self.names}"
            self.alive[name] = []
            self.leases.join(name, self.random.choice([1, 2, 16]), self.now)

    def grant(self) -> None:
        if name := self.some():
            for lease in self.leases.grant(name, self.now):
                self.alive[name].append((lease.id, lease.fence))

    def finish(self) -> None:
        name = self.some()
        if name and self.alive[name]:
            hand = self.alive[name]
            lease, fence = hand.pop(self.random.randrange(len(hand)))
            self.receive(name, lease, fence)
            self.stale.append((name, lease, fence))

    def receive(self, name: str, lease: int, fence: int) -> Verdict:
        verdict, ready = self.leases.receive(name, lease, fence, self.random.random(), self.now)
        for one in ready:
            for visit in range(one.start, one.start + one.count):
                self.delivered.append((one.segment.index, visit))
            self.queue.append(one)
        return verdict

    def hand(self) -> None:
        """The consumer may sit on as many visits as the mixing window keeps open, not more."""
        while self.queue and self.random.random() < 0.7:
            self.leases.handed(self.queue.pop(0))

    def kill(self) -> None:
        if (name := self.some()) and self.random.random() < 0.3:
            self.stale += [(name, *held) for held in self.alive.pop(name)]
            self.leases.leave(name)

    def crash(self) -> None:
        """A generator is lost, having said what it was at, or not."""
        if (name := self.some()) and self.random.random() < 0.3:
            held = self.alive.pop(name)
            if held and self.random.random() < 0.5:
                self.leases.doing(name, held[0][0], self.random.randrange(20), self.now)
            self.stale += [(name, *one) for one in held]
            for lost in self.leases.leave(name, "lost"):
                if lost.given_up:
                    assert lost.record is not None
                    self.leases.give_up(lost.lease, lost.record, "it crashes")

    def backup(self) -> None:
        if found := self.leases.backup(self.now):
            name, lease = found
            assert list(self.leases.members[name].hand) == [lease.id]
            self.alive[name].append((lease.id, lease.fence))

    def refuse(self) -> None:
        name = self.some()
        if name and self.alive[name] and self.random.random() < 0.2:
            lease, fence = self.alive[name].pop()
            self.leases.refused(name, lease, fence, self.now)

    def replay(self) -> None:
        if self.stale:
            name, lease, fence = self.random.choice(self.stale)
            was = len(self.delivered)
            if self.receive(name, lease, fence) is not Verdict.ACCEPTED:
                assert len(self.delivered) == was

    def unreadable(self) -> None:
        name = self.some()
        if name and self.alive[name] and self.random.random() < 0.3:
            lease, fence = self.alive[name].pop()
            if self.leases.unreadable(name, lease, fence, 0, self.now):
                found = self.leases.find(lease)
                assert found is not None
                self.leases.give_up(found, 0, "cannot be read")

    def drain(self) -> None:
        if (name := self.some()) and self.random.random() < 0.2:
            hand = self.alive.pop(name)
            self.leases.drain(name, [lease for lease, _ in hand[1:]])
            for lease, fence in hand[:1]:
                self.receive(name, lease, fence)
            self.leases.leave(name)

    def time(self) -> None:
        self.now += self.random.random() * 20
        self.expire()

    def expire(self) -> None:
        for lost in self.leases.expire(self.now):
            assert lost.why == "slow"
            held = self.alive[lost.generator]
            self.stale += [(lost.generator, *x) for x in held if x[0] == lost.lease.id]
            self.alive[lost.generator] = [x for x in held if x[0] != lost.lease.id]

    def settle(self) -> None:
        """From here on all goes well: whatever happened before, the run must come to its end."""
        for name in list(self.alive):
            self.stale += [(name, *held) for held in self.alive.pop(name)]
            self.leases.leave(name)
        self.alive["last"] = []
        self.leases.join("last", 2, self.now)
        for _ in range(10_000):
            self.now += 0.1
            self.grant()
            while self.alive["last"]:
                lease, fence = self.alive["last"].pop(0)
                assert self.receive("last", lease, fence) is Verdict.ACCEPTED
            while self.queue:
                self.leases.handed(self.queue.pop(0))
            if self.leases.exhausted:
                return
        raise AssertionError("the run never ended")


def expected(plan: Plan) -> list[tuple[int, int]]:
    return [(s.index, visit) for s in plan.segments for visit in range(s.visits)]


@settings(max_examples=1500)
@given(st.integers(0, 2**32), st.integers(10, 60), st.integers(0, 6), st.integers(0, 250))
def test_any_schedule_delivers_every_visit_once_in_order_within_the_budget(
    seed: int, room: int, window: int, steps: int
) -> None:
    plan = make_plan(window=window)
    world = World(seed, make(plan, room=room))
    for _ in range(steps):
        world.step()
    world.settle()
    assert world.delivered == expected(plan)
    assert world.leases.charged == 0


@settings(max_examples=500)
@given(st.integers(0, 2**32), st.integers(0, 250))
def test_arrival_order_delivers_every_visit_once_and_keeps_segments_apart(
    seed: int, steps: int
) -> None:
    plan = make_plan(exact=False)
    world = World(seed, make(plan))
    for _ in range(steps):
        world.step()
    world.settle()
    assert sorted(world.delivered) == expected(plan)
    assert [s for s, _ in world.delivered] == sorted(s for s, _ in world.delivered)


def test_a_late_result_is_fenced_and_a_second_one_is_a_duplicate() -> None:
    leases = make(make_plan())
    leases.join("a", 1, 0.0)
    leases.join("b", 1, 0.0)
    (lease,) = leases.grant("a", 0.0)
    old = lease.fence
    assert [lost.why for lost in leases.leave("a", "lost")] == ["lost"]
    (again,) = leases.grant("b", 100.0)
    assert again is lease and lease.fence > old
    assert leases.receive("a", lease.id, old, 0.1, 100.0) == (Verdict.LATE, [])
    assert leases.receive("a", lease.id, lease.fence, 0.1, 100.0) == (Verdict.LATE, [])
    assert leases.receive("b", lease.id, lease.fence, 0.1, 100.0) == (Verdict.ACCEPTED, [lease])
    assert leases.receive("a", lease.id, old, 0.1, 100.0) == (Verdict.DUPLICATE, [])
    assert leases.receive("b", 999, 1, 0.1, 100.0) == (Verdict.UNKNOWN, [])


def test_a_stuck_generator_loses_its_leases_but_stays_a_member() -> None:
    leases = make(make_plan(), expiry=30.0)
    leases.join("a", 2, 0.0)
    held = leases.grant("a", 0.0)
    assert {lost.lease.id for lost in leases.expire(31.0)} == {lease.id for lease in held}
    assert "a" in leases.members


def test_an_idle_generator_gets_the_late_head_when_the_budget_is_full() -> None:
    leases = make(make_plan(visits=40), room=8)
    leases.join("slow", 1, 0.0)
    leases.join("fast", 16, 0.0)
    (head,) = leases.grant("slow", 0.0)
    while granted := leases.grant("fast", 0.1):
        for lease in granted:
            leases.receive("fast", lease.id, lease.fence, 0.1, 0.1)
    assert leases.full
    assert leases.backup(0.2) is None  # not late yet
    assert leases.backup(1.0) == ("fast", head)
    assert leases.backup(9.0) is None  # two are enough
    verdict, ready = leases.receive("fast", head.id, head.fence, 0.1, 2.0)
    assert verdict is Verdict.ACCEPTED and ready[0] is head and len(ready) > 1
    assert leases.receive("slow", head.id, 1, 9.0, 3.0)[0] is Verdict.DUPLICATE


def test_a_record_is_given_up_after_three_readers_and_never_returned_to_one_that_failed() -> None:
    leases = make(make_plan())
    for name in ("a", "b", "c"):
        leases.join(name, 1, 0.0)
    (lease,) = leases.grant("a", 0.0)
    for attempt, name in enumerate(("a", "b", "c"), start=1):
        if attempt > 1:
            assert lease in leases.grant(name, 0.0)
        last = leases.unreadable(name, lease.id, lease.fence, 5, 0.0)
        assert last == (attempt == READ_TRIES)
        if not last:
            assert lease not in leases.grant(name, 0.0)
    leases.give_up(lease, 5, "gone")
    assert 5 in leases.avoid(lease)


def test_where_samples_have_partners_no_lease_may_touch_a_record_that_was_given_up() -> None:
    def avoided(*, partners: bool) -> list[int]:
        gone = {("train", record): "gone" for record in range(3)} | {("val", 3): "gone"}
        leases = Leases(
            make_plan(), budget=99 * SAMPLE, lease_bytes=1, given_up=gone, partners=partners
        )
        leases.join("a", 1, 0.0)
        (lease,) = leases.grant("a", 0.0)
        return leases.avoid(lease)

    assert avoided(partners=True) == [0, 1, 2] != avoided(partners=False)


def test_leases_grow_to_fill_their_time_and_shrink_for_a_large_fleet() -> None:
    plan = make_plan(visits=5000, patches=1, window=0)
    leases = Leases(plan, budget=2000 * SAMPLE, lease_bytes=100 * SAMPLE)
    leases.join("a", 2, 0.0)
    first, second = leases.grant("a", 0.0)
    assert first.count == second.count == 1  # nothing is known of their cost yet
    leases.receive("a", first.id, first.fence, 0.005, 0.0)
    (third,) = leases.grant("a", 0.0)
    assert third.count == 50  # a quarter of a second's worth
    for n in range(100):
        leases.join(f"b{n}", 2, 0.0)
    (small,) = leases.grant("b0", 0.0)[:1]
    assert small.count < 10


def test_a_budget_below_the_mixing_window_is_refused_with_the_one_needed() -> None:
    with pytest.raises(ConfigError, match=r"--buffer .* KiB is too small.*--mix-visits"):
        Leases(make_plan(window=50), budget=10 * 3 * SAMPLE, lease_bytes=300)


def test_who_can_take_nothing_does_not_make_the_budget_look_full() -> None:
    """Found by cutting a host off: its generators stood first in line, and nobody else got any."""
    leases = make(make_plan(visits=40), room=8)
    for name in ("gone", "draining", "served"):
        leases.join(name, 2, 0.0)
    while leases.grant("served", 0.0) or leases.grant("gone", 0.0) or leases.grant("draining", 0.0):
        pass
    leases.drain("draining", [])
    leases.leave("gone")
    for name in ("gone", "draining"):
        assert leases.grant(name, 0.0) == []
        assert not leases.full
