"""Who makes what: leases, granted, received, delivered in order. Pure: `now` is an argument.

Life of a lease:

    cut ──▶ granted ──▶ received ──▶ delivered ──▶ handed      (its bytes leave the budget)
              │  ▲
              ▼  │ a higher fence
            pending          its generator left, was lost, got stuck, or failed to read

- Leases are cut from the plan in order, numbered from 0; a lease never crosses a segment.
- **The budget**: the bytes of every lease that is cut and not yet handed to `fit`. A lease is cut
  only when it fits. Since leases are cut in order, the head of the line is always among them, so a
  full budget never blocks the line.
- **Fencing**: every grant has its own token. A result counts only under a token that still stands,
  and once. What comes later is dropped and counted.
- **Backup**: when the head of the line is late and a generator has nothing to do (the budget is
  full), that one gets it, too. The first result wins; both are identical.
- The size of a lease follows from `pace` and from the share of the budget that a fleet of this size
  leaves for each. It never shows in the stream.
- **Stuck**: a generator that owes leases and moved none of them for `expiry` loses them, and gets
  nothing more until it moves again.
"""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Iterable
from enum import Enum

import msgspec

from lib.plan import budget as budgets
from lib.plan.arrival import Arrival
from lib.plan.batches import Start
from lib.plan.members import Member, idle
from lib.plan.order import Plan, Segment
from lib.plan.pace import Pace
from lib.plan.suspects import Case, to_avoid


class Verdict(Enum):
    """What became of a result."""

    ACCEPTED = "accepted"
    LATE = "late"  # fenced off: granted to somebody else since
    DUPLICATE = "duplicate"  # the lease already has its result
    UNKNOWN = "unknown"  # never cut: not one of ours


class Lease(msgspec.Struct, eq=False):
    """`count` visits of `segment` from visit `start` on. Mutable; belongs to its `Leases`."""

    id: int
    segment: Segment
    start: int
    count: int
    nbytes: int
    fence: int = 0
    grants: dict[int, str] = {}  # standing fence → generator
    careful: set[int] = set()  # fences under which each record is announced before it is begun
    granted_at: float = 0.0
    received: bool = False
    case: Case | None = None  # what speaks against it, if anything does


class Lost(msgspec.Struct, frozen=True):
    """A grant that no longer stands, and why: ``lost``, ``slow`` or ``left``.

    lost: its connection closed while it worked, be it a crash, a kill or the network.
    left: it gave the lease back, or began anew.
    record: the one that it was at, if it had announced that; given_up: it was the third so.
    """

    generator: str
    lease: Lease
    why: str
    record: int | None = None
    given_up: bool = False


class Leases:
    """The table. Every method decides; the caller does the talking.

    start: where the stream begins; what lies before it is never cut.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        budget: int,
        lease_bytes: int,
        expiry: float = 30.0,
        exact: bool = True,
        start: Start | None = None,
        given_up: dict[tuple[str, int], str] | None = None,
    ) -> None:
        self.plan, self.budget, self.pace = plan, budget, Pace(lease_bytes)
        self.start = start or Start()
        self.expiry = expiry
        self.members: dict[str, Member] = {}
        self.given_up = {} if given_up is None else given_up  # (split, record) → why: always bad
        self.charged = 0  # bytes cut and not yet handed
        self.full = False  # the latest `grant` found no room in the budget for another lease
        self._next_id = 0
        self._segment, self._visit = self.start.segment, self.start.visit  # of the next lease cut
        self._cutting = plan.segments.get(self._segment)
        # Cut and not yet delivered, in order of their ids. (A plain dict, from whose front entries
        # go all the time, steps over all that went before it finds the first.)
        self._open: OrderedDict[int, Lease] = OrderedDict()
        self.pending: list[int] = []  # heap of ids to grant again
        self._arrival: Arrival[Lease] | None = None if exact else Arrival(plan, self.start)
        self._firsts = {
            split: [0, *itertools.accumulate(order.counts)] for split, order in plan.splits.items()
        }
        budgets.check(plan, budget)

    # -- the fleet ---------------------------------------------------------------------------

    def join(self, name: str, slots: int, now: float) -> None:
        """A generator is ready for leases; `slots` is the most that it will hold."""
        self.leave(name)
        self.members[name] = Member(name, slots, now, now)

    def doing(self, name: str, lease_id: int, record: int, now: float) -> None:
        """`name` is at `record` of a lease that it holds: it moves. Lease -1: it has none."""
        member, lease = self.members.get(name), self._open.get(lease_id)
        if member and lease_id < 0:
            member.stuck = False  # our grant never reached it, or it is done with it
        elif member and lease and lease_id in member.hand and self.holds(lease, record):
            member.doing = lease_id, record
            member.moved = now

    def holds(self, lease: Lease, record: int) -> bool:
        """Whether there is a record of that number in the split of `lease`."""
        return 0 <= record < self.plan.splits[lease.segment.split].records

    def leave(self, name: str, why: str = "left") -> list[Lost]:
        """The generator is gone (`left`, or was `lost`): what it held is pending again."""
        member = self.members.pop(name, None)
        self.pace.forget(name)
        held = list(member.hand) if member else []
        return [self._withdraw(member, lease, why) for lease in held if member]

    def drain(self, name: str, unstarted: Iterable[int]) -> None:
        """The generator is leaving: it hands back `unstarted` and gets nothing more."""
        if member := self.members.get(name):
            member.draining = True
            for lease in unstarted:
                if lease in member.hand:
                    self._withdraw(member, lease, "left")

    def expire(self, now: float) -> list[Lost]:
        """Take back what stuck generators hold. They stay members: only their connection ends."""
        lost = []
        for member in self.members.values():
            if member.hand and now - member.moved > self.expiry:
                lost += [self._withdraw(member, lease, "slow") for lease in list(member.hand)]
                member.moved, member.stuck = now, True
        return lost

    def _withdraw(self, member: Member, lease_id: int, why: str) -> Lost:
        fence = member.hand.pop(lease_id)
        lease = self._open[lease_id]
        lease.grants.pop(fence, None)
        if not lease.grants and not lease.received:
            heapq.heappush(self.pending, lease_id)
        if why == "left":
            return Lost(member.name, lease, why)
        announced = member.doing[1] if member.doing and member.doing[0] == lease_id else None
        record = announced if fence in lease.careful else None
        case = self._case(lease, record)
        last = record not in case.given_up and case.lost(member.name, record)
        return Lost(member.name, lease, why, record, last)

    # -- granting ----------------------------------------------------------------------------

    def grant(self, name: str, now: float) -> list[Lease]:
        """Leases for `name` until its hand is full; each stands under its `fence`."""
        self.full, granted = False, list[Lease]()  # before any return: who can take nothing …
        member = self.members.get(name)  # … must not leave the budget looking full to the next
        if member is None or not member.wants:
            return []
        member.most = min(member.slots, self.pace.hand(name))
        room = member.most - len(member.hand)
        while len(granted) < room and self.pending and (lease := self._regrant(member)):
            granted.append(self._give(member, lease, now))
        for lease in self._cut(member, room - len(granted)):
            granted.append(self._give(member, lease, now))
        return granted

    def idle(self) -> list[str]:
        """Generators that could make a lease and hold none."""
        return idle(self.members.values())

    def backup(self, now: float) -> tuple[str, Lease] | None:
        """The head of the line for the fastest generator that idles, if its holder is late."""
        lease = self.waiting_for
        if lease is None or len(lease.grants) != 1 or lease.case:
            return None
        idling = self.idle()
        if not idling:
            return None
        (holder,), split = lease.grants.values(), lease.segment.split
        best = min(idling, key=lambda name: self.pace.visit(name, split) or 0.0)
        ago = now - lease.granted_at
        late = self.pace.late(holder, best, lease.segment, lease.count, ago)
        return (best, self._give(self.members[best], lease, now)) if late else None

    def _give(self, member: Member, lease: Lease, now: float) -> Lease:
        lease.fence += 1
        if not lease.grants:  # a backup leaves the time as it is
            lease.granted_at = now
        lease.grants[lease.fence] = member.name
        if lease.case and lease.case.careful:
            lease.careful.add(lease.fence)
        if not member.hand:
            member.moved = member.since = now
        member.hand[lease.id] = lease.fence
        return lease

    def _regrant(self, member: Member) -> Lease | None:
        passed: list[int] = []
        chosen = None
        while self.pending:
            lease_id = heapq.heappop(self.pending)
            lease = self._open.get(lease_id)
            if lease is None or lease.received or lease.grants:
                continue  # a result came in after all, or it was granted again already
            if lease.case and lease.case.failed(member.name) and self._others(lease.case):
                passed.append(lease_id)  # somebody else may be able to make it
            else:
                chosen = lease
                break
        for lease_id in passed:
            heapq.heappush(self.pending, lease_id)
        return chosen

    def _others(self, case: Case) -> bool:
        """Whether some generator at work has not tried in vain yet."""
        return any(m.able and not case.failed(m.name) for m in self.members.values())

    def _cut(self, member: Member, most: int) -> list[Lease]:
        """The next leases, `most` of them or as many as fit, for `member`."""
        cut: list[Lease] = []
        size, sized = 0, -1
        self.full = False
        while len(cut) < most and (segment := self._cutting) is not None:
            if self._visit >= segment.visits:
                self._segment, self._visit = self._segment + 1, 0
                self._cutting = self.plan.segments.get(self._segment)
                continue
            if sized != segment.index:
                size, sized = self._size(segment, member), segment.index
            count = min(size, segment.visits - self._visit)
            nbytes = count * segment.visit_bytes
            self.full = self.charged + nbytes > self.budget
            if self.full:
                break
            lease = Lease(self._next_id, segment, self._visit, count, nbytes)
            self._open[lease.id] = lease
            self.charged += nbytes
            self._next_id += 1
            self._visit += count
            cut.append(lease)
        return cut

    def _size(self, segment: Segment, member: Member) -> int:
        """Visits in the next lease, which is for `member`."""
        free = self.budget // segment.visit_bytes - self.plan.window_of(segment)
        by_share = free // (2 * len(self.members) + 2)
        by_pace = self.pace.visits(member.name, segment, len(self.members))
        return max(1, min(by_pace, by_share, free // 3))

    # -- results -----------------------------------------------------------------------------

    def receive(
        self, name: str, lease_id: int, fence: int, seconds: float, now: float
    ) -> tuple[Verdict, list[Lease]]:
        """A result came. Returns what it counts as, and the leases that are now deliverable."""
        lease = self._open.get(lease_id)
        member = self.members.get(name)
        if member is not None:
            member.stuck = False
        if lease is None or lease.received:
            known = 0 <= lease_id < self._next_id
            self._drop(name, lease_id, now)
            return (Verdict.DUPLICATE if known else Verdict.UNKNOWN), []
        if member is None or lease.grants.get(fence) != name:
            return Verdict.LATE, []
        lease.received = True
        # What the network took counts as well: a slow link holds up the line like a slow core.
        spent = now - member.since
        for other, generator in lease.grants.items():
            self._drop(generator, lease_id, now)
            if other < fence:  # it lost against its backup
                self.pace.overtaken(generator, lease.segment, lease.count, now - lease.granted_at)
        lease.grants = {}
        self.pace.learn(name, lease.segment, lease.count, max(seconds, spent))
        return Verdict.ACCEPTED, self._deliverable(lease)

    def _drop(self, name: str, lease_id: int, now: float) -> None:
        if (member := self.members.get(name)) and member.hand.pop(lease_id, None) is not None:
            member.moved = member.since = now

    def _deliverable(self, lease: Lease) -> list[Lease]:
        if self._arrival is not None:
            return [self._open.pop(one.id) for one in self._arrival.receive(lease)]
        ready: list[Lease] = []
        for first in self._open.values():
            if not first.received:
                break
            ready.append(first)
        for one in ready:
            del self._open[one.id]
        return ready

    # -- what cannot be made -------------------------------------------------------------------

    def unreadable(self, name: str, lease_id: int, fence: int, record: int, now: float) -> bool:
        """`name` could not read `record`. True when that was the last try: give it up."""
        lease = self._failed(name, lease_id, fence, now)
        if lease is None or not self.holds(lease, record):
            return False
        case = self._case(lease, record)
        return record not in case.given_up and case.unreadable(name, record)

    def refused(self, name: str, lease_id: int, fence: int, now: float) -> bool:
        """`name` says that nothing can make the lease. True when that is to be believed."""
        lease = self._failed(name, lease_id, fence, now)
        if lease is None:
            return False
        case = self._case(lease)
        case.refused.add(name)
        return len(case.refused) > 1 or not self._others(case)

    def _failed(self, name: str, lease_id: int, fence: int, now: float) -> Lease | None:
        """The lease goes back from `name`; None where the grant does not stand."""
        lease = self._open.get(lease_id)
        if lease is None or lease.grants.get(fence) != name:
            return None
        self._withdraw(self.members[name], lease_id, "left")
        self.members[name].moved, self.members[name].stuck = now, False
        return lease

    def _case(self, lease: Lease, record: int | None = None) -> Case:
        """The case of `lease`; one given up already, which nobody warned it of, counts at once."""
        lease.case = lease.case or Case()
        if record is not None and (lease.segment.split, record) in self.given_up:
            lease.case.give_up(record)
        return lease.case

    def give_up(self, lease: Lease, record: int, why: str) -> None:
        """From here on, `record` of the split of `lease` is bad, in this epoch and all later."""
        self.given_up[lease.segment.split, record] = why
        if lease.case:
            lease.case.give_up(record)

    def avoid(self, lease: Lease) -> list[int]:
        """Records that the maker of `lease` must not touch: given up, in it or as substitutes."""
        met = lease.case.given_up if lease.case else set()
        if not self.given_up:
            return sorted(met)
        split = lease.segment.split
        records = self.plan.records(lease.segment)[lease.start : lease.start + lease.count]
        return sorted(met | to_avoid(self.given_up, split, self._firsts[split], records.tolist()))

    @property
    def all_cut(self) -> bool:
        """Whoever asks gets nothing but what comes back from others."""
        return self._cutting is None

    # -- the line ------------------------------------------------------------------------------

    def find(self, lease_id: int) -> Lease | None:
        """The lease of that number, if it is cut and not yet delivered."""
        return self._open.get(lease_id)

    def handed(self, lease: Lease) -> None:
        """Every sample of `lease` has gone into a batch: its bytes leave the budget."""
        self.charged -= lease.nbytes

    @property
    def visits(self) -> int:
        """Visits of the whole stream, from its start on."""
        return self.plan.segments.visits_since(self.start.segment) - self.start.visit

    @property
    def exhausted(self) -> bool:
        """Nothing is left to cut, and all that was cut is delivered."""
        last = self.plan.segments[-1]
        return (self._segment, self._visit) >= (last.index, last.visits) and not self._open

    @property
    def waiting_for(self) -> Lease | None:
        """The lease at the head of the line, if it is cut and its result is not in."""
        lease = next(iter(self._open.values()), None)
        return None if lease is None or lease.received else lease
