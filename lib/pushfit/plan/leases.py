"""The table of leases: cut, granted, received, delivered in order. Pure: `now` is an argument.

Life of a lease:

    cut ──▶ granted ──▶ received ──▶ delivered ──▶ handed      (its bytes leave the budget)
              │  ▲
              ▼  │ a higher fence
            pending          its generator left, was lost, got stuck, or failed to read

- Leases are cut from the plan in order, numbered from 0; a lease never crosses a segment.
- **The budget** limits the bytes of all leases that are cut and not yet handed to `fit`. A lease is
  cut only if it fits. Since leases are cut in order, the head of the line is always among them, so
  a full budget never blocks the line.
- **Fencing**: every grant has its own token. A result counts only once, and only if its token is
  still valid. Later results are dropped and counted.
- **Backup**: if the head of the line is late and a generator is idle (the budget is full), that
  generator is granted it as well. The first result counts; both are identical.
- The size of a lease follows from `pace` and from the share of the budget for each generator of the
  fleet. It does not affect the stream.
- **Stuck**: a generator that holds leases and makes no progress for `expiry` loses them, and is
  granted nothing until it makes progress again.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Collection, Iterable, Set

from pushfit.plan import budget as budgets
from pushfit.plan.arrival import Arrival
from pushfit.plan.batches import Start
from pushfit.plan.blame import Blame
from pushfit.plan.lease import Lease, Lost, Verdict
from pushfit.plan.members import Member, idle
from pushfit.plan.order import Plan, Segment
from pushfit.plan.pace import Pace
from pushfit.plan.suspects import NO_RECORD, Case

CAREFUL_EXPIRIES = 4  # before a lease that may crash its generator gets a backup

__all__ = ["Lease", "Leases", "Lost", "Verdict"]


class Leases:
    """The table of leases. Its methods only decide; the caller sends the messages.

    budget: bytes of all leases that are cut and not yet handed to `fit`.
    lease_bytes: approximate size of a lease.
    expiry: seconds without progress after which a generator is stuck.
    start: where the stream begins; None: at its start.
    given_up: {(split, record): why it is bad}; None: no record is known to be bad.
    partners: a visit may use any record of its split, besides its own (`Task.partners`).
    """

    def __init__(
        self,
        plan: Plan,
        *,
        budget: int,
        lease_bytes: int,
        expiry: float = 30.0,
        start: Start | None = None,
        given_up: dict[tuple[str, int], str] | None = None,
        partners: bool = False,
    ) -> None:
        self.plan, self.budget, self.pace = plan, budget, Pace(lease_bytes)
        self.start = start or Start()
        self.expiry, self.partners = expiry, partners
        self.members: dict[str, Member] = {}
        self.given_up = {} if given_up is None else given_up  # (split, record) → why: always bad
        self._blame = Blame(plan, self.members, self.given_up, partners=partners)
        self.charged = 0  # bytes that are cut and not yet handed to `fit`
        self.full = False  # the last `grant` found no room in the budget for another lease
        self._next_id = 0
        self._segment, self._visit = self.start.segment, self.start.visit  # of the next lease
        self._cutting = plan.segments.get(self._segment)
        # The leases that are cut and not yet delivered, in order of their ids. (A plain dict finds
        # its first entry slowly after many were removed from its front.)
        self._open: OrderedDict[int, Lease] = OrderedDict()
        self.pending: list[int] = []  # heap of ids to grant again
        self._arrival: Arrival[Lease] | None = None if plan.exact else Arrival(plan, self.start)
        budgets.check(plan, budget)

    @property
    def stock(self) -> int:
        """Bytes of samples that are here and not handed to `fit`."""
        return self.charged - sum(each.nbytes for each in self._open.values() if not each.received)

    # -- the fleet ---------------------------------------------------------------------------

    def join(self, name: str, slots: int, now: float, who: str = "", host: str = "") -> None:
        """Add a generator that is ready for leases.

        slots: most leases that it will hold.
        who: its identity (`standing`).
        host: where it runs; ``""``: a host of its own.
        """
        self.leave(name, now=now)
        self.members[name] = Member(name, who, host or name, slots, now, now)

    def doing(self, name: str, lease_id: int, record: int, now: float) -> None:
        """Note the progress of `name`: it is at `record` of a lease. Lease -1: it has none."""
        member, lease = self.members.get(name), self._open.get(lease_id)
        if member and lease_id < 0:
            member.stuck = False  # our grant did not reach it, or it is done with it
        elif member and lease and lease_id in member.hand and self.holds(lease, record):
            member.doing = lease_id, record
            member.moved = now

    def holds(self, lease: Lease, record: int) -> bool:
        """Return whether there is a record of that number in the split of `lease`."""
        return 0 <= record < self.plan.splits[lease.segment.split].records

    def leave(self, name: str, why: str = "left", now: float = 0.0) -> list[Lost]:
        """Remove a generator that `left` or was `lost`: its leases are pending again."""
        member = self.members.pop(name, None)
        self.pace.forget(name)
        held = list(member.hand) if member else []
        return [self._withdraw(member, lease, why, now) for lease in held if member]

    def drain(self, name: str, unstarted: Iterable[int]) -> None:
        """Note that a generator is leaving: it gives back `unstarted` and gets no more."""
        if member := self.members.get(name):
            member.draining = True
            for lease in unstarted:
                if lease in member.hand:
                    self._withdraw(member, lease, "left")

    def expire(self, now: float) -> list[Lost]:
        """Take back the leases of stuck generators. They stay members until they disconnect."""
        lost = []
        for member in self.members.values():
            if member.hand and now - member.moved > self.expiry:
                held = list(member.hand)
                lost += [self._withdraw(member, lease, "slow", now) for lease in held]
                member.moved, member.stuck = now, True
        return lost

    def _withdraw(self, member: Member, lease_id: int, why: str, now: float = 0.0) -> Lost:
        fence = member.hand.pop(lease_id)
        lease = self._open[lease_id]
        lease.grants.pop(fence, None)
        lease.back_at = now
        if not lease.grants and not lease.received:
            heapq.heappush(self.pending, lease_id)
        if why == "left":
            return Lost(member.name, lease, why)
        announced = member.doing[1] if member.doing and member.doing[0] == lease_id else None
        record = announced if fence in lease.careful else None
        at = NO_RECORD if record is None else record
        last = self._blame.tried("lost", member, lease, at, now)
        return Lost(member.name, lease, why, record, last)

    # -- granting ----------------------------------------------------------------------------

    def grant(self, name: str, now: float) -> list[Lease]:
        """New leases for `name`, as many as it may hold; each has its token in `fence`."""
        # `full` is reset before any return: a generator that can take nothing must not make the
        # budget look full to the next one.
        self.full, granted = False, list[Lease]()
        member = self.members.get(name)
        if member is None or not member.wants:
            return []
        member.most = min(member.slots, self.pace.hand(name))
        room = member.most - len(member.hand)
        while len(granted) < room and self.pending and (lease := self._regrant(member, now)):
            granted.append(self._give(member, lease, now))
        for lease in self._cut(member, room - len(granted)):
            granted.append(self._give(member, lease, now))
        return granted

    def idle(self) -> list[str]:
        """The generators that could make a lease and hold none."""
        return idle(self.members.values())

    def backup(self, now: float) -> tuple[str, Lease] | None:
        """(generator, lease): the head of the line for the fastest idle generator, if it is late.

        A lease has one backup, or a second one of another identity if both are of the same. If one
        of its records may crash a generator, only another identity gets it, and later.
        """
        lease = self.waiting_for
        if lease is None or not lease.grants:
            return None
        case, ago, split = lease.case or Case(), now - lease.granted_at, lease.segment.split
        holder, *backups = lease.grants.values()
        holders = {self.members[name].who for name in lease.grants.values()}
        if (case.careful and ago < CAREFUL_EXPIRIES * self.expiry) or len(holders) > 1:
            return None
        idling = [
            name
            for name in self.idle()
            if case.may_back_up(member := self.members[name])
            and (member.who not in holders or not (backups or case.careful))
        ]
        if not idling:
            return None
        best = min(
            idling, key=lambda n: (case.vain(self.members[n]), self.pace.visit(n, split) or 0.0)
        )
        late = self.pace.late(holder, best, lease.segment, lease.count, ago)
        return (best, self._give(self.members[best], lease, now)) if late else None

    def _give(self, member: Member, lease: Lease, now: float) -> Lease:
        lease.fence += 1
        if not lease.grants:  # a backup does not change the time of the grant
            lease.granted_at = now
        lease.grants[lease.fence] = member.name
        if lease.case and lease.case.careful:
            lease.careful.add(lease.fence)
        if not member.hand:
            member.moved = member.since = now
        member.hand[lease.id] = lease.fence
        return lease

    def _regrant(self, member: Member, now: float) -> Lease | None:
        passed: list[int] = []
        chosen = None
        while self.pending:
            lease_id = heapq.heappop(self.pending)
            lease = self._open.get(lease_id)
            if lease is None or lease.received or lease.grants:
                continue  # its result came after all, or it was already granted again
            if now - lease.back_at < self.expiry and self._blame.passes_over(member, lease):
                passed.append(lease_id)  # another generator may be able to make it
            else:
                chosen = lease
                break
        for lease_id in passed:
            heapq.heappush(self.pending, lease_id)
        return chosen

    def _cut(self, member: Member, most: int) -> list[Lease]:
        """The next leases for `member`: at most `most`, and only as many as fit."""
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
        """The number of visits in the next lease, which is for `member`."""
        free = self.budget // segment.visit_bytes - self.plan.window_of(segment)
        by_share = free // (2 * len(self.members) + 2)
        by_pace = self.pace.visits(member.name, segment, len(self.members))
        return max(1, min(by_pace, by_share, free // 3))

    # -- results -----------------------------------------------------------------------------

    def receive(
        self,
        name: str,
        lease_id: int,
        fence: int,
        seconds: float,
        now: float,
        bad: Set[int] = frozenset(),
        new: Collection[int] = (),
    ) -> tuple[Verdict, list[Lease]]:
        """Note a result. Returns (what it counts as, the leases that can now be delivered).

        seconds: the time that its generator took to make it.
        bad: records that were substituted.
        new: those of them that no generator has reported before.
        """
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
        if new and self._blame.doubts(member, lease, new, now):
            self._failed(name, lease_id, fence, now)
            return Verdict.DOUBTED, []
        self._blame.standings.made(member.who, lease.case, bad)
        lease.received = True
        # The time on the network counts as well: a slow link delays the line like a slow core.
        spent = now - member.since
        for other, generator in lease.grants.items():
            self._drop(generator, lease_id, now)
            if other < fence:  # its backup was faster
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
        """Note that `name` could not read `record`. Returns True if it now counts as bad."""
        lease = self._failed(name, lease_id, fence, now)
        if lease is None or not self.holds(lease, record):
            return False
        return self._blame.tried("unreadable", self.members[name], lease, record, now)

    def refused(self, name: str, lease_id: int, fence: int, now: float) -> bool:
        """Note that `name` calls the lease impossible. Returns True if that is to be believed."""
        lease = self._failed(name, lease_id, fence, now)
        if lease is None:
            return False
        return self._blame.refused(self.members[name], lease, now)

    def take_useless(self) -> list[str]:
        """The identities that have just proved useless (`standing`)."""
        out, self._blame.standings.out = self._blame.standings.out, []
        return out

    def _failed(self, name: str, lease_id: int, fence: int, now: float) -> Lease | None:
        """The lease that `name` failed to make, now pending again; None: its grant is not valid."""
        lease = self._open.get(lease_id)
        if lease is None or lease.grants.get(fence) != name:
            return None
        self._withdraw(self.members[name], lease_id, "left", now)
        self.members[name].moved, self.members[name].stuck = now, False
        return lease

    def give_up(self, lease: Lease, record: int, why: str) -> None:
        """Let `record` of the split of `lease` count as bad, in this epoch and all later ones."""
        self._blame.give_up(lease, record, why)

    def avoid(self, lease: Lease) -> list[int]:
        """The bad records that the maker of `lease` must not touch, in it or as substitutes."""
        return self._blame.avoid(lease)

    @property
    def all_cut(self) -> bool:
        """Return whether all leases are cut, so that only pending ones can be granted."""
        return self._cutting is None

    # -- the line ------------------------------------------------------------------------------

    def find(self, lease_id: int) -> Lease | None:
        """The lease of that number; None: it is not yet cut, or already delivered."""
        return self._open.get(lease_id)

    def handed(self, lease: Lease) -> None:
        """Note that every sample of `lease` is in a batch, so that its bytes leave the budget."""
        self.charged -= lease.nbytes

    @property
    def visits(self) -> int:
        """The number of visits of the whole stream, from its start on."""
        return self.plan.segments.visits_since(self.start.segment) - self.start.visit

    @property
    def exhausted(self) -> bool:
        """Return whether all leases are cut and delivered."""
        last = self.plan.segments[-1]
        return (self._segment, self._visit) >= (last.index, last.visits) and not self._open

    @property
    def waiting_for(self) -> Lease | None:
        """The lease at the head of the line, if it is cut and its result has not come."""
        lease = next(iter(self._open.values()), None)
        return None if lease is None or lease.received else lease
