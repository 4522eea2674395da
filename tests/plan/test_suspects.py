"""Records that bring generators down, or cannot be had: who is blamed, and who never is."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from pushfit.plan.leases import Lease, Leases
from pushfit.plan.members import Member
from pushfit.plan.order import Plan, SplitOrder, substitutes
from pushfit.plan.suspects import READ_TRIES, STRIKES, Case, Try, to_avoid

SAMPLE = 100  # bytes
CLASSES = (6, 0, 9)


def make(epochs: int = 2, visits: int = 0) -> Leases:
    plan = Plan(7, epochs, {"train": SplitOrder(CLASSES, 2, visits)}, SAMPLE, 0)
    return Leases(plan, budget=40 * SAMPLE, lease_bytes=6 * SAMPLE)


class Makers:
    """Generators that make leases as `Maker` does, and die over the records in `poison`."""

    def __init__(self, seed: int, leases: Leases, poison: set[int], stuck: set[int]) -> None:
        self.random, self.leases, self.poison, self.stuck = (
            random.Random(seed),
            leases,
            poison,
            stuck,
        )
        self.now, self.born, self.deaths = 0.0, 0, 0
        self.alive: list[str] = []
        self.delivered = 0

    def join(self) -> None:
        self.born += 1
        self.alive.append(f"g{self.born}")
        self.leases.join(self.alive[-1], 4, self.now)

    def step(self) -> None:
        """One of them takes what it is granted, and makes it or dies."""
        self.now += 0.1
        name = self.random.choice(self.alive)
        granted = self.leases.grant(name, self.now)
        for lease in granted:
            if (fatal := self.first_fatal(name, lease, lease.fence)) is not None:
                self.die(name, slow=fatal in self.stuck)
                return
            _, ready = self.leases.receive(name, lease.id, lease.fence, 0.1, self.now)
            for one in ready:
                self.delivered += one.count
                self.leases.handed(one)

    def first_fatal(self, name: str, lease: Lease, fence: int) -> int | None:
        avoid = set(self.leases.avoid(lease))
        records = self.leases.plan.records(lease.segment)
        for record in records[lease.start : lease.start + lease.count].tolist():
            candidate = next(x for x in substitutes([0, 6, 6, 15], record) if x not in avoid)
            if fence in lease.careful:
                self.leases.doing(name, lease.id, candidate, self.now)
            if candidate in self.poison:
                return candidate
        return None

    def die(self, name: str, slow: bool) -> None:
        self.deaths += 1
        self.alive.remove(name)
        lost = []
        if slow:  # taken from it at expiry; its watchdog ends it after that
            self.now += self.leases.expiry + 0.1
            lost = self.leases.expire(self.now)
            assert self.leases.grant(name, self.now) == []  # stuck: nothing more for it
        lost += self.leases.leave(name, "lost")
        for one in lost:
            if one.given_up:
                assert one.record is not None
                self.leases.give_up(one.lease, one.record, "it kills")
        self.join()


@settings(max_examples=300)
@given(
    st.integers(0, 2**32),
    st.integers(1, 5),
    st.sets(st.sampled_from([0, 2, 3, 5, 6, 7, 14]), max_size=5),
    st.booleans(),
)
def test_what_kills_its_makers_is_found_and_nothing_else(
    seed: int, fleet: int, poison: set[int], hangs: bool
) -> None:
    leases = make()
    makers = Makers(seed, leases, poison, poison if hangs else set())
    for _ in range(fleet):
        makers.join()
    for _ in range(3000):
        makers.step()
        if leases.exhausted:
            break
    assert leases.exhausted and makers.delivered == 2 * sum(CLASSES)
    assert {record for _, record in leases.given_up} == poison
    # The first death may have been another lease's, made ahead before anything was known.
    assert makers.deaths <= (STRIKES + 1) * len(poison) + fleet


@settings(max_examples=300)
@given(st.integers(0, 2**32), st.integers(0, 60))
def test_generators_killed_at_random_never_cost_a_record(seed: int, kills: int) -> None:
    """Kills at any record, of any lease: only three at the same record of one lease would."""
    dice = random.Random(seed)
    leases = make(epochs=4)
    leases.join("g", 4, 0.0)
    at: dict[int, set[int]] = {}
    for number in range(kills):
        granted = leases.grant("g", 0.0)
        for lease in granted:
            records = leases.plan.records(lease.segment)[lease.start : lease.start + lease.count]
            fresh = [r for r in records.tolist() if r not in at.setdefault(lease.id, set())]
            if fresh and dice.random() < 0.7:
                at[lease.id].add(record := dice.choice(fresh))
                leases.doing("g", lease.id, record, 0.0)
            else:
                leases.receive("g", lease.id, lease.fence, 0.1, 0.0)
        assert not any(lost.given_up for lost in leases.leave("g", "lost"))
        leases.join("g", 4, float(number))


def test_only_what_was_announced_in_a_careful_lease_is_a_strike() -> None:
    leases = make()
    for attempt in range(5):
        leases.join("g", 1, 0.0)
        (lease,) = leases.grant("g", 0.0)
        assert (lease.fence in lease.careful) == (attempt > 0)
        if attempt == 0:
            leases.doing("g", lease.id, 3, 0.0)  # a heartbeat: it may have gone on since
        (lost,) = leases.leave("g", "lost")
        assert lost.record is None and not lost.given_up
    for strike in range(2, STRIKES + 1):  # the first was not announced
        leases.join("g", 1, 0.0)
        (lease,) = leases.grant("g", 0.0)
        leases.doing("g", lease.id, 3, 0.0)
        leases.doing("g", lease.id, 99, 0.0)  # there is no such record
        (lost,) = leases.leave("g", "lost")
        assert (lost.record, lost.given_up) == (3, strike == STRIKES)


def test_a_goodbye_and_a_hello_are_no_strikes() -> None:
    leases = make()
    for _ in range(5):
        leases.join("g", 1, 0.0)  # joins anew each time: it dropped what it had
        (lease,) = leases.grant("g", 0.0)
    leases.drain("g", [lease.id])
    assert lease.case is None


def test_a_result_closes_the_case_and_what_was_given_up_stays() -> None:
    leases = make(epochs=2)
    leases.join("g", 1, 0.0)
    (lease,) = leases.grant("g", 0.0)
    record = int(leases.plan.records(lease.segment)[0])
    for attempt in range(READ_TRIES):
        last = leases.unreadable("g", lease.id, lease.fence, record, 0.0)
        assert last == (attempt == READ_TRIES - 1)
        if last:
            leases.give_up(lease, record, "gone")
        (lease,) = leases.grant("g", 0.0)  # there is nobody else to try
    while not leases.exhausted:
        drawn = leases.plan.records(lease.segment)[lease.start : lease.start + lease.count]
        assert (record in leases.avoid(lease)) == (record in drawn)
        _, ready = leases.receive("g", lease.id, lease.fence, 0.1, 0.0)
        for one in ready:
            leases.handed(one)
        lease = next(iter(leases.grant("g", 0.0)), lease)
    assert leases.given_up == {("train", record): "gone"}


def test_records_given_up_in_an_earlier_life_of_the_run_are_avoided() -> None:
    plan = make().plan
    leases = Leases(plan, budget=4000, lease_bytes=600, given_up={("train", 3): "cannot be read"})
    leases.join("g", 64, 0.0)
    for lease in leases.grant("g", 0.0):
        drawn = plan.records(lease.segment)[lease.start : lease.start + lease.count]
        assert leases.avoid(lease) == ([3] if 3 in drawn else [])


def test_a_stand_in_that_was_given_up_is_avoided_as_well() -> None:
    given_up = {("train", 5), ("train", 0), ("val", 1), ("train", 8)}
    assert to_avoid(given_up, "train", [0, 6, 6, 15], [5]) == {5, 0}
    assert to_avoid(given_up, "train", [0, 6, 6, 15], [4, 7, 1]) == set()
    everyone = {("train", record) for record in range(15)}
    assert to_avoid(everyone, "train", [0, 6, 6, 15], [2, 3, 9]) == set(range(15))


def test_a_failed_reader_of_a_record_given_up_meanwhile_is_not_asked_three_times() -> None:
    leases = make()
    leases.join("g", 1, 0.0)
    (lease,) = leases.grant("g", 0.0)
    leases.give_up(lease, 4, "it kills")
    assert not leases.unreadable("g", lease.id, lease.fence, 4, 0.0)
    assert lease.case is not None and lease.case.given_up == {4}


def test_one_that_refuses_is_believed_when_another_agrees_or_there_is_none() -> None:
    leases = make()
    leases.join("a", 1, 0.0)
    leases.join("b", 1, 0.0)
    (lease,) = leases.grant("a", 0.0)
    assert not leases.refused("a", lease.id, lease.fence, 0.0)
    assert lease not in leases.grant("a", 0.0)
    assert leases.grant("b", 0.0) == [lease]
    assert not leases.refused("b", lease.id, 1, 0.0)  # not under that token
    assert leases.refused("b", lease.id, lease.fence, 0.0)
    alone = make()
    alone.join("a", 1, 0.0)
    (lease,) = alone.grant("a", 0.0)
    assert alone.refused("a", lease.id, lease.fence, 0.0)


def test_a_lease_that_one_could_not_read_is_backed_up_all_the_same() -> None:
    """By who has not failed at it, or who has failed once."""
    case, (a, b, c) = Case(), (Member(name, f"key {name}", name, 1, 0.0, 0.0) for name in "abc")
    assert case.may_back_up(a)
    case.add(Try("unreadable", "a", a.who, "a", 4))
    assert case.failed("a") and case.may_back_up(a)
    case.add(Try("unreadable", "a", a.who, "a", 4))
    assert not case.may_back_up(a) and case.may_back_up(b)
    case.add(Try("refused", "b", b.who, "b"))
    assert not case.may_back_up(b) and case.may_back_up(c)


def test_rather_another_host_than_another_generator_than_the_same_again() -> None:
    case = Case()
    case.add(Try("unreadable", "a1", "", "a", 4))
    case.add(Try("refused", "c1", "", "c"))
    whom = (Member(name, "", name[0], 1, 0.0, 0.0) for name in ("a1", "a2", "b1", "c1", "c2"))
    assert [case.vain(one) for one in whom] == [2, 1, 0, 2, 0]
    leases = make()
    for name in ("a1", "a2", "b1"):
        leases.join(name, 1, 0.0, host=name[0])
    (lease,) = leases.grant("a1", 0.0)
    fails(leases, "a1", lease)
    for name in ("a2", "a1"):
        assert lease not in leases.grant(name, 0.0)
    leases.leave("b1")
    assert lease.grants == {}
    for name in ("a1", "a2"):
        for number, fence in list(leases.members[name].hand.items()):
            leases.receive(name, number, fence, 0.1, 0.0)
    assert lease not in leases.grant("a1", 0.0)  # a2 has not tried, though its host has
    assert lease in leases.grant("a2", 0.0)


def fails(leases: Leases, name: str, lease: Lease) -> bool:
    """A generator holds the lease, and cannot read record 4. Whether that was the last try."""
    assert name in lease.grants.values()
    return leases.unreadable(name, lease.id, lease.fence, 4, 0.0)


def test_three_generators_of_one_host_are_no_three_tries_where_others_are() -> None:
    """A host may have a bad copy, and any number of generators, and be the first to ask."""
    leases = make()
    for name, host in (("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b")):
        leases.join(name, 1, 0.0, host=host)
    (lease,) = leases.grant("a1", 0.0)
    assert not fails(leases, "a1", lease)
    assert lease not in leases.grant("a2", 0.0) and lease not in leases.grant("a3", 0.0)
    assert leases.grant("b1", 0.0) == [lease]
    assert leases.receive("b1", lease.id, lease.fence, 0.1, 0.0)[1] == [lease]


def test_a_record_is_given_up_after_three_hosts_or_three_tries_of_all_that_there_are() -> None:
    leases = make()
    for name in ("a1", "a2", "b1"):
        leases.join(name, 1, 0.0, host=name[0])
    (lease,) = leases.grant("a1", 0.0)
    leases.grant("b1", 0.0)  # it is busy
    case = lease.case = Case()
    case.add(Try("unreadable", "a1", "", "a", 4))
    case.add(Try("unreadable", "a2", "", "a", 4))  # it made a backup
    assert not fails(leases, "a1", lease)  # the third, and b has not been asked
    leases.leave("b1")
    assert lease in leases.grant("a2", 0.0)
    assert fails(leases, "a2", lease)


def test_of_many_hosts_three_are_enough() -> None:
    leases = make()
    for host in ("a", "b", "c", "d"):
        leases.join(f"{host}1", 1, 0.0, f"key {host}", host)
    (lease,) = leases.grant("a1", 0.0)
    for host in ("a", "b"):
        assert not fails(leases, f"{host}1", lease)
        leases.grant("b1" if host == "a" else "c1", 0.0)
    assert fails(leases, "c1", lease)


def test_names_are_not_keys_in_matters_of_refusal() -> None:
    """One peer may have many names; those with another key, or all that are there, are believed."""
    leases = make()
    for name, key in (("a", "node-1"), ("b", "node-1"), ("c", "node-2")):
        leases.join(name, 1, 0.0, key)
    (lease,) = leases.grant("a", 0.0)
    assert not leases.refused("a", lease.id, lease.fence, 0.0)
    assert leases.grant("b", 0.0) == [lease]
    assert not leases.refused("b", lease.id, lease.fence, 0.0)
    assert leases.grant("c", 0.0) == [lease]
    assert leases.refused("c", lease.id, lease.fence, 0.0)


def test_one_that_failed_tries_again_when_the_others_are_stuck() -> None:
    """A generator that hangs for ever must not keep a lease waiting for its opinion."""
    leases = make()
    leases.join("able", 1, 0.0)
    leases.join("hangs", 1, 0.0)
    (lease,) = leases.grant("able", 0.0)
    assert leases.grant("hangs", 0.0)
    leases.unreadable("able", lease.id, lease.fence, 4, 0.0)
    assert lease not in leases.grant("able", 0.0)
    for number, fence in list(leases.members["able"].hand.items()):
        leases.receive("able", number, fence, 0.1, 20.0)
    assert [lost.generator for lost in leases.expire(31.0)] == ["hangs"]
    assert leases.grant("hangs", 31.0) == []
    assert lease in leases.grant("able", 31.0)


def test_who_moves_is_not_stuck_however_long_a_lease_takes() -> None:
    leases = make()
    leases.join("g", 1, 0.0)
    (lease,) = leases.grant("g", 0.0)
    for second in range(0, 100, 5):
        leases.doing("g", lease.id, 3, float(second))
        assert leases.expire(float(second)) == []
    assert [lost.why for lost in leases.expire(200.0)] == ["slow"]
    leases.receive("g", lease.id, lease.fence, 0.1, 201.0)  # late, but it is back
    assert leases.grant("g", 201.0)


def test_one_whom_a_grant_never_reached_says_that_it_idles_and_is_asked_again() -> None:
    leases = make()
    leases.join("g", 1, 0.0)
    (lease,) = leases.grant("g", 0.0)
    leases.expire(31.0)
    leases.doing("g", lease.id, 3, 31.0)  # still at what was taken from it
    assert leases.grant("g", 31.0) == []
    leases.doing("g", -1, -1, 32.0)
    assert leases.grant("g", 32.0) == [lease]
