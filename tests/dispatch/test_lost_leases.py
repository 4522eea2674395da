"""What went wrong with leases, told and counted."""

from __future__ import annotations

from collections import Counter

from pushfit.dispatch.bad_records import BadRecords
from pushfit.dispatch.lost_leases import LostLeases
from pushfit.dispatch.measured_log import MeasuredLog
from pushfit.dispatch.roster import Peer, Roster
from pushfit.feed.source import Reference
from pushfit.plan.leases import Leases
from pushfit.plan.order import Plan, SplitOrder
from pushfit.plan.suspects import STRIKES
from pushfit.wire.protocol import Bad


def test_a_record_with_two_third_strikes_in_one_turn_is_given_up_once() -> None:
    """Two epochs are under way at once, and both leases with the record hang their generators."""
    plan = Plan(7, 2, {"train": SplitOrder((2,), 1)}, 100, 0)
    leases = Leases(plan, budget=1000, lease_bytes=100, expiry=1.0)
    roster = Roster({}, "", None)
    names = ["a", "b", "c", "d"]  # one for each lease
    for name in names:
        roster.peers[name] = Peer(name, name, 0, 0.0)
        leases.join(name, 1, 0.0)
    faults = Counter[str]()
    lost_leases = LostLeases(leases, roster, faults, BadRecords(), MeasuredLog())
    for strike in range(1, STRIKES + 1):
        now = 10.0 * strike
        for name in names:
            for lease in leases.grant(name, now):
                (record,) = leases.plan.records(lease.segment)[lease.start : lease.start + 1]
                if record == 0:
                    leases.doing(name, lease.id, 0, now)
                else:
                    leases.receive(name, lease.id, lease.fence, 0.1, now)
        lost = leases.expire(now + 2)
        assert len(lost) == 2 and {one.given_up for one in lost} == {strike == STRIKES}
        lost_leases.lost(lost)
        for name in names:
            leases.join(name, 1, now + 2)
    assert faults["given_up"] == 1 and set(leases.given_up) == {("train", 0)}


def test_a_bad_partner_counts_once_an_epoch_however_the_leases_are_cut() -> None:
    plan = Plan(7, 2, {"train": SplitOrder((20,), 1)}, 100, 0)
    leases = Leases(plan, budget=1000, lease_bytes=100, partners=True)
    peer, known = Peer("a", "a", 0, 0.0), Reference(("x",), {"train": [20]}, "", [], "here")
    leases.join("a", 64, 0.0)
    rows, faults = list[str](), Counter[str]()
    bad = BadRecords(lambda row: rows.append(row["path"]))
    lost_leases = LostLeases(leases, Roster({}, "", None, known), faults, bad, MeasuredLog())
    made = Counter[int]()
    while granted := leases.grant("a", 0.0):
        for lease in granted:
            partner = Bad(lease.start, 3, "train/3", "torn", instead="train/4", partner=True)
            lost_leases.bad(peer, lease, [partner])
            made[lease.segment.epoch] += 1
            for ready in leases.receive("a", lease.id, lease.fence, 0.1, 0.0)[1]:
                leases.handed(ready)
    assert set(made) == {0, 1} and made[0] > 1
    assert faults == {"bad_partners": 2} and rows == ["train/3"] * 2
