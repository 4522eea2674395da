"""Who is granted leases when: in turn, once each, and nobody waits for one that can take none."""

from __future__ import annotations

from pushfit.dispatch.grant_queue import GrantQueue
from pushfit.plan.leases import Leases
from pushfit.plan.order import Plan, SplitOrder
from pushfit.wire import protocol as wire

SAMPLE = 100  # bytes


def table(room: int, names: str, visits: int = 100) -> tuple[Leases, GrantQueue]:
    """A budget of `room` leases of a visit each; `names` stand in the queue."""
    plan = Plan(7, 1, {"train": SplitOrder((visits,), 1)}, SAMPLE, 0)
    leases = Leases(plan, budget=room * SAMPLE, lease_bytes=SAMPLE)
    grants = GrantQueue("run", leases)
    for name in names:
        leases.join(name, 1, 0.0)
        grants.add(name)
    return leases, grants


def serve(grants: GrantQueue) -> list[tuple[str, list[int]]]:
    """[(generator, ids of the leases it is told of)]"""
    return [(name, [one.lease for one in told.grants]) for name, told in grants.serve(0.0)]


def finish(leases: Leases, grants: GrantQueue, name: str) -> None:
    """`name` hands in all that it holds, which is used up at once."""
    for lease, fence in list(leases.members[name].hand.items()):
        for one in leases.receive(name, lease, fence, 1.0, 1.0)[1]:
            leases.handed(one)
    grants.add(name)


def test_each_is_told_once_and_then_no_more() -> None:
    _, grants = table(30, "abc")
    assert serve(grants) == [("a", [0]), ("b", [1]), ("c", [2])]
    assert serve(grants) == [] and not grants.starved


def test_a_message_tells_all_that_a_maker_needs() -> None:
    leases, grants = table(30, "a")
    ((_, told),) = grants.serve(0.0)
    records = leases.plan.records(leases.plan.segments[0])[:1].tolist()
    assert told == wire.Grants(run="run", grants=[wire.Grant(0, 1, "train", 0, 0, records, [])])


def test_a_full_budget_starves_all_and_then_serves_them_in_turn() -> None:
    leases, grants = table(3, "abcde")
    assert serve(grants) == [("a", [0]), ("b", [1]), ("c", [2])]
    assert grants.starved
    assert serve(grants) == [] and grants.starved
    for name in "abc":
        finish(leases, grants, name)
    assert [name for name, _ in serve(grants)] == ["d", "e", "a"]
    assert grants.starved


def test_who_can_take_nothing_holds_up_nobody() -> None:
    leases, grants = table(30, "abc")
    leases.drain("a", [])
    grants.forget("b")
    assert serve(grants) == [("c", [0])]


def test_who_is_found_gone_while_told_makes_room_for_the_next() -> None:
    leases, grants = table(3, "abcd")
    told = []
    for name, _ in grants.serve(0.0):
        told.append(name)
        if name == "a":
            leases.leave(name)
            grants.forget(name)
    assert told == ["a", "b", "c", "d"]  # lease 0 went to b, 1 and 2 were the rest of the budget
    assert sorted(leases.members) == ["b", "c", "d"]
    assert [list(leases.members[name].hand) for name in "bcd"] == [[0], [1], [2]]


def test_a_run_that_was_full_wants_nobody_until_half_of_its_budget_is_free() -> None:
    leases, grants = table(8, "a")
    assert grants.wants
    for _ in range(8):
        serve(grants)
        (lease, fence), *_ = leases.members["a"].hand.items()
        held = leases.receive("a", lease, fence, 1.0, 1.0)[1]
        grants.add("a")
    assert serve(grants) == [] and grants.starved and not grants.wants
    assert leases.charged == 8 * SAMPLE
    for freed in range(1, 5):
        assert not grants.wants
        leases.handed(held[0])  # any lease of that size
        assert leases.charged == (8 - freed) * SAMPLE
    assert grants.wants


def test_a_run_whose_leases_are_all_out_wants_nobody_but_for_what_comes_back() -> None:
    leases, grants = table(30, "ab", visits=2)
    serve(grants)
    finish(leases, grants, "b")
    assert serve(grants) == [] and not grants.wants
    leases.leave("a")
    assert grants.wants
