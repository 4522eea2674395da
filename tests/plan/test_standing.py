"""One identity under many names: what it says counts once, and it is put out if it does no good."""

from __future__ import annotations

import pytest

from pushfit.plan.leases import CAREFUL_EXPIRIES, Lease, Leases, Verdict
from pushfit.plan.order import Plan, SplitOrder
from pushfit.plan.standing import CREDIT, MOST_IN_VAIN
from pushfit.plan.suspects import READ_TRIES, STRIKES, TRIES

SAMPLE = 100  # bytes
HONEST, OTHER, LIAR = "the key honest", "the key other", "the key liar"


class Run:
    """Leases of one visit each, to any number of generators, a second between two steps."""

    def __init__(self, visits: int = 500) -> None:
        plan = Plan(7, 1, {"train": SplitOrder((visits,), 1)}, SAMPLE, 0)
        self.leases = Leases(plan, budget=100 * SAMPLE, lease_bytes=SAMPLE, expiry=30.0)
        self.now, self.born = 0.0, 0

    def join(self, who: str, name: str = "") -> str:
        self.born += 1
        self.leases.join(name or f"g{self.born}", 1, self.now, who)
        return name or f"g{self.born}"

    def grant(self, name: str) -> Lease | None:
        self.now += 1.0
        return next(iter(self.leases.grant(name, self.now)), None)

    def record(self, lease: Lease) -> int:
        return int(self.leases.plan.records(lease.segment)[lease.start])

    def make(self, name: str, lease: Lease, *, bad: bool = False) -> Verdict:
        self.now += 1.0
        said = {self.record(lease)} if bad else set[int]()
        verdict, ready = self.leases.receive(name, lease.id, lease.fence, 0.1, self.now, said, said)
        for one in ready:
            self.leases.handed(one)
        return verdict

    def unreadable(self, name: str, lease: Lease) -> bool:
        self.now += 1.0
        record = self.record(lease)
        last = self.leases.unreadable(name, lease.id, lease.fence, record, self.now)
        if last:
            self.leases.give_up(lease, record, "cannot be read")
        return last

    def crash(self, name: str, lease: Lease) -> bool:
        """It announces the record, if it is asked to, and breaks its connection."""
        self.now += 1.0
        self.leases.doing(name, lease.id, self.record(lease), self.now)
        (lost,) = self.leases.leave(name, "lost", self.now)
        if lost.given_up:
            self.leases.give_up(lease, self.record(lease), "it kills")
        return lost.given_up


@pytest.mark.parametrize("how", ["unreadable", "crash"])
def test_a_fleet_of_one_identity_gives_a_record_up_after_its_tries(how: str) -> None:
    run, tries = Run(), 0
    while not run.leases.given_up:
        tries += 1
        name = run.join(HONEST)
        lease = run.grant(name)
        assert lease is not None and lease.id == 0
        (run.unreadable if how == "unreadable" else run.crash)(name, lease)
        run.leases.leave(name)
    assert tries == READ_TRIES == STRIKES
    assert not run.leases.take_useless()


@pytest.mark.parametrize("how", ["unreadable", "crash"])
def test_no_number_of_names_gives_a_record_up_while_another_identity_is_at_work(how: str) -> None:
    run = Run()
    honest = run.join(HONEST)
    for _ in range(MOST_IN_VAIN):
        target, tries = None, 0
        while (lease := run.grant(name := run.join(LIAR))) and target in (None, lease):
            target, tries = lease, tries + 1
            (run.unreadable if how == "unreadable" else run.crash)(name, lease)
            run.leases.leave(name)
        assert tries == TRIES  # then it is the turn of another
        run.leases.leave(name)
        while run.leases.pending:
            mine = run.grant(honest)
            assert mine is not None and run.make(honest, mine) is Verdict.ACCEPTED
    assert not run.leases.given_up
    assert run.leases.take_useless() == [LIAR]
    assert not run.leases.take_useless()  # it is told once


@pytest.mark.parametrize("how", ["unreadable", "crash"])
def test_what_two_identities_meet_is_given_up(how: str) -> None:
    run = Run()
    other = run.join(OTHER)
    for _ in range(TRIES):
        lease = run.grant(name := run.join(HONEST))
        assert lease is not None and lease.id == 0
        assert not (run.unreadable if how == "unreadable" else run.crash)(name, lease)
        run.leases.leave(name)
    run.join(HONEST)
    assert run.grant(other) is lease and lease is not None
    assert (run.unreadable if how == "unreadable" else run.crash)(other, lease)
    assert set(run.leases.given_up) == {("train", run.record(lease))}


def test_what_breaks_at_one_moment_is_one_try() -> None:
    """A site of a hundred generators loses its network before it has made anything."""
    run = Run()
    site = [run.join(HONEST) for _ in range(100)]
    held = [lease for name in site for lease in run.leases.grant(name, run.now)]
    assert len(held) > MOST_IN_VAIN
    for number, name in enumerate(site):
        run.leases.leave(name, "lost", run.now + 5 + number % 3)
    run.now += 10
    other = run.join(OTHER)
    for _ in held:
        lease = run.grant(other)
        assert lease is not None and run.make(other, lease) is Verdict.ACCEPTED
    assert not run.leases.take_useless()


def test_who_makes_more_than_it_loses_stays() -> None:
    run = Run()
    other = run.join(OTHER)
    for _ in range(5 * MOST_IN_VAIN):
        name = run.join(HONEST)
        lease = run.grant(name)
        assert lease is not None
        assert run.make(name, lease) is Verdict.ACCEPTED
        lease = run.grant(name)
        assert lease is not None
        run.crash(name, lease)
        back = run.grant(other)
        assert back is lease and run.make(other, back) is Verdict.ACCEPTED
    assert not run.leases.take_useless()


def test_a_bad_record_has_to_be_called_so_by_another_identity_where_there_is_one() -> None:
    run = Run()
    liar = run.join(LIAR)
    lease = run.grant(liar)
    assert lease is not None
    assert run.make(liar, lease, bad=True) is Verdict.ACCEPTED  # nobody else to ask
    honest = run.join(HONEST)
    for _ in range(MOST_IN_VAIN + 1):
        lease = run.grant(liar)
        assert lease is not None
        assert run.make(liar, lease, bad=True) is Verdict.DOUBTED
        second = run.join(LIAR)
        assert run.grant(second) is not lease  # a name more is not a second opinion
        run.leases.leave(second)
        run.leases.members[liar].stuck = True  # what the second left is for the honest as well
        while (mine := run.grant(honest)) is not lease:
            assert mine is not None and run.make(honest, mine) is Verdict.ACCEPTED
        assert run.make(honest, lease) is Verdict.ACCEPTED
        run.leases.members[liar].stuck = False
    assert run.leases.take_useless() == [LIAR]


def test_each_confirmed_record_buys_belief_in_some_more() -> None:
    run = Run()
    one, two = run.join(HONEST), run.join(OTHER)
    lease = run.grant(one)
    assert lease is not None and run.make(one, lease, bad=True) is Verdict.DOUBTED
    assert run.grant(two) is lease
    assert run.make(two, lease, bad=True) is Verdict.ACCEPTED
    for number in range(CREDIT + 1):
        lease = run.grant(one)
        assert lease is not None
        expected = Verdict.ACCEPTED if number < CREDIT else Verdict.DOUBTED
        assert run.make(one, lease, bad=True) is expected


def test_who_holds_the_head_of_the_line_under_two_names_does_not_hold_up_the_run() -> None:
    run = Run()
    first, second = run.join(LIAR), run.join(LIAR)
    head = run.grant(first)
    run.join(HONEST, "honest")
    assert head is not None
    run.leases.members["honest"].draining = True  # so that the liar's other name is asked
    run.now += 100
    assert run.leases.backup(run.now) == (second, head)
    assert run.leases.backup(run.now) is None
    run.leases.members["honest"].draining = False
    assert run.leases.backup(run.now) == ("honest", head)
    assert run.make("honest", head) is Verdict.ACCEPTED


def test_a_careful_lease_that_never_comes_is_made_by_another_identity() -> None:
    run = Run()
    first = run.join(LIAR)
    head = run.grant(first)
    assert head is not None
    run.crash(first, head)
    run.join(LIAR, "liar")
    assert run.grant("liar") is head and head.careful
    run.join(LIAR)
    run.join(HONEST, "honest")
    began = run.now
    while run.now < began + CAREFUL_EXPIRIES * run.leases.expiry - 1:
        run.now += 1.0
        run.leases.doing("liar", head.id, run.record(head), run.now)  # it moves, it says
        assert not run.leases.expire(run.now) and run.leases.backup(run.now) is None
    run.now += 1.0
    assert run.leases.backup(run.now) == ("honest", head)
    assert run.make("honest", head) is Verdict.ACCEPTED


def test_nobody_waits_longer_than_an_expiry_for_the_opinion_of_one_who_does_not_come() -> None:
    run = Run()
    honest, sits = run.join(HONEST), run.join(LIAR)
    assert run.grant(sits)
    lease = run.grant(honest)
    assert lease is not None
    run.unreadable(honest, lease)
    assert run.grant(honest) is not lease  # rather the other
    for number, fence in list(run.leases.members[honest].hand.items()):
        run.leases.receive(honest, number, fence, 0.1, run.now)
    run.now += run.leases.expiry
    run.leases.doing(sits, 0, 0, run.now)
    assert run.grant(honest) is lease
