"""When reports against a lease are believed, and which records then count as bad. Pure.

`suspects` has the rules of one lease, `standing` those of one identity.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence

from pushfit.plan.lease import Lease
from pushfit.plan.members import Member
from pushfit.plan.order import Plan
from pushfit.plan.standing import Standings
from pushfit.plan.suspects import NO_RECORD, READ_TRIES, STRIKES, Case, Kind, Try, to_avoid


class Blame:
    """Decides which reports are believed. The caller owns, and changes, both mappings.

    members: the generators at work, by name.
    given_up: {(split, record): why it counts as bad}.
    partners: a visit may use any record of its split, besides its own.
    """

    def __init__(
        self,
        plan: Plan,
        members: Mapping[str, Member],
        given_up: dict[tuple[str, int], str],
        *,
        partners: bool = False,
    ) -> None:
        self._partners = partners
        self.standings = Standings()
        self._plan, self._members, self._given_up = plan, members, given_up
        self._firsts = {
            split: [0, *itertools.accumulate(order.counts)] for split, order in plan.splits.items()
        }

    def passes_over(self, member: Member, lease: Lease) -> bool:
        """Return whether another generator than `member` should try `lease`."""
        if (case := lease.case) is None:
            return False
        turn = case.turn(member)
        return any(one.able and case.turn(one) < turn for one in self._members.values())

    def tried(self, kind: Kind, member: Member, lease: Lease, record: int, now: float) -> bool:
        """Note that `member` has tried in vain. Returns True if `record` now counts as bad."""
        case = self._case(lease, record)
        if record in case.given_up:
            return False
        counts = self.standings.tried(member.who, lease.granted_at, now)
        tries = case.add(Try(kind, member.name, member.who, member.host, record, counts=counts))
        heard = {one.who for one in tries}
        if kind == "unreadable" and self._untried(tries):
            return False
        most = READ_TRIES if kind == "unreadable" else STRIKES
        return len(tries) >= most and (len(heard) > 1 or not self._unheard(case, heard))

    def refused(self, member: Member, lease: Lease, now: float) -> bool:
        """Note that `member` calls `lease` impossible. Returns True if that is to be believed."""
        self.tried("refused", member, lease, NO_RECORD, now)
        case = self._case(lease)
        if len({one.who for one in case.about("refused")}) > 1:
            return True
        return not any(m.able and not case.failed(m.name) for m in self._members.values())

    def doubts(self, member: Member, lease: Lease, bad: Collection[int], now: float) -> bool:
        """Return whether another identity has to make `lease`, as `member` calls records bad."""
        split, case = lease.segment.split, self._case(lease)
        open_ones = {record for record in bad if (split, record) not in self._given_up}
        for one in case.tries:
            if one.who != member.who:
                open_ones -= one.bad
        if not open_ones or not self._unheard(case, {member.who}):
            return False
        if self.standings.spend(member.who, len(open_ones)):
            return False
        counts = self.standings.tried(member.who, lease.granted_at, now)
        case.add(
            Try(
                "bad", member.name, member.who, member.host, bad=frozenset(open_ones), counts=counts
            )
        )
        return True

    def _untried(self, tries: Sequence[Try]) -> bool:
        """Return whether a host is at work that may be able to read what these hosts could not.

        Three hosts are enough. So are six tries, since a generator may lie about its host.
        """
        hosts = {one.host for one in tries}
        if len(hosts) >= READ_TRIES or len(tries) >= 2 * READ_TRIES:
            return False
        return any(one.able and one.host not in hosts for one in self._members.values())

    def _unheard(self, case: Case, heard: Collection[str]) -> bool:
        """Return whether an identity at work, beside those heard, may still be asked."""
        return any(
            one.able and one.who not in heard and not case.spent(one.who)
            for one in self._members.values()
        )

    def _case(self, lease: Lease, record: int = NO_RECORD) -> Case:
        """The case of `lease`. A record that counts as bad already needs no further report."""
        lease.case = lease.case or Case()
        if (lease.segment.split, record) in self._given_up:
            lease.case.give_up(record)
        return lease.case

    def give_up(self, lease: Lease, record: int, why: str) -> None:
        """Let `record` of the split of `lease` count as bad from now on."""
        self._given_up[lease.segment.split, record] = why
        if lease.case:
            lease.case.give_up(record)

    def avoid(self, lease: Lease) -> list[int]:
        """The bad records that the maker of `lease` must not touch, sorted."""
        met = lease.case.given_up if lease.case else set()
        if not self._given_up:
            return sorted(met)
        split = lease.segment.split
        if self._partners:
            return sorted(met | {record for where, record in self._given_up if where == split})
        records = self._plan.records(lease.segment)[lease.start : lease.start + lease.count]
        return sorted(met | to_avoid(self._given_up, split, self._firsts[split], records.tolist()))
