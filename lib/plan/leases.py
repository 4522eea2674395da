"""Who makes what: leases, granted, received, delivered in order. Pure: `now` is an argument.

Life of a lease:

    cut ──▶ granted ──▶ received ──▶ delivered ──▶ handed      (its bytes leave the budget)
              │  ▲
              ▼  │ a higher fence
            pending          its generator left, fell silent, took too long, or failed to read

- Leases are cut from the plan in order, numbered from 0; a lease never crosses a segment.
- **The budget**: the bytes of every lease that is cut and not yet handed to `fit`. A lease is cut
  only when it fits. Since leases are cut in order, the head of the line is always among them, so a
  full budget never blocks the line.
- **Fencing**: every grant has its own token. A result counts only under a token that still stands,
  and once. What comes later is dropped and counted.
- **Backup**: when the budget is full and the head of the line is late, an idle generator gets it a
  second time. The first result wins; both are identical.
- The size of a lease follows from `lease_bytes`, from the time a visit takes, and from the share
  of the budget that a fleet of this size leaves for each. It never shows in the stream.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from enum import Enum

import msgspec

from lib.errors import ConfigError
from lib.plan.order import Plan, Segment

LEASE_SECONDS = 0.25  # aimed at: long enough to hide a round trip, short enough to lose
HAND_BYTES = 16 * 2**20  # a few milliseconds of a fast network
HAND_SECONDS = 0.05  # work a generator holds beyond the lease that it is making
BACKUP_FACTOR = 3.0  # a head later than this many times what a lease takes is late
BACKUP_FLOOR = 1.0  # seconds; below it, jitter would look like lateness
READ_TRIES = 3  # generators that may fail to read a record before it counts as bad


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
    granted_at: float = 0.0
    received: bool = False
    failures: dict[int, set[str]] = {}  # record → who could not read it (a try each)
    tries: dict[int, int] = {}
    bad: set[int] = set()  # records given up on: the generator substitutes them


class Member(msgspec.Struct, eq=False):
    """One generator as the plan sees it: what it holds and when it last moved."""

    name: str
    slots: int
    heard: float
    moved: float
    hand: dict[int, int] = {}  # lease id → fence
    draining: bool = False


class Lost(msgspec.Struct, frozen=True):
    """A grant that no longer stands, and why: ``silent``, ``slow`` or ``left``."""

    generator: str
    lease: Lease
    why: str


class Leases:
    """The table. Every method decides; the caller does the talking."""

    def __init__(
        self,
        plan: Plan,
        *,
        budget: int,
        lease_bytes: int,
        expiry: float = 30.0,
        silence: float = 5.0,
        exact: bool = True,
    ) -> None:
        self.plan, self.budget, self.lease_bytes = plan, budget, lease_bytes
        self.expiry, self.silence, self.exact = expiry, silence, exact
        self.members: dict[str, Member] = {}
        self.charged = 0  # bytes cut and not yet handed
        self.full = False  # the latest `grant` found no room in the budget for another lease
        self._next_id = 0
        self._segment, self._visit = 0, 0  # where the next lease is cut
        self._open: dict[int, Lease] = {}  # cut and not yet delivered, in order of their ids
        self._pending: list[int] = []  # heap of ids to grant again
        self._turn = 0  # arrival order: the segment that is being delivered, …
        self._undelivered = [s.visits for s in plan.segments]  # … what each still lacks, …
        self._early: dict[int, list[Lease]] = {}  # … and what came before its segment's turn
        self._visit_seconds: dict[str, float] = {}
        self._typical = LEASE_SECONDS  # running mean of the seconds that a lease takes
        self._typical_bytes = lease_bytes  # size of the latest lease received
        self._check_budget()

    def _check_budget(self) -> None:
        for segment in self.plan.segments:
            need = (self._window(segment) + 3) * segment.visit_bytes
            if need > self.budget:
                kib = 2**10
                raise ConfigError(
                    f"--buffer {self.budget // kib:,} KiB is too small: mixing over "
                    f"{self.plan.window} visits of {segment.visit_bytes // kib:,} KiB needs "
                    f"{-(-need // kib):,} KiB. Give --buffer {-(-need // kib)}KiB or more, "
                    "or lower --mix-visits, --patches-per-visit or --patch."
                )

    def _window(self, segment: Segment) -> int:
        return self.plan.window if segment.patches > 1 else 0

    # -- the fleet ---------------------------------------------------------------------------

    def join(self, name: str, slots: int, now: float) -> None:
        """A generator is ready for leases; `slots` is the most that it will hold."""
        self.leave(name)
        self.members[name] = Member(name, slots, now, now)

    def heard(self, name: str, now: float) -> None:
        if member := self.members.get(name):
            member.heard = now

    def leave(self, name: str) -> list[Lost]:
        """The generator is gone: what it held is pending again."""
        member = self.members.pop(name, None)
        if member is None:
            return []
        return [self._withdraw(member, lease, "left") for lease in list(member.hand)]

    def drain(self, name: str, unstarted: Iterable[int]) -> None:
        """The generator is leaving: it hands back `unstarted` and gets nothing more."""
        if member := self.members.get(name):
            member.draining = True
            for lease in unstarted:
                if lease in member.hand:
                    self._withdraw(member, lease, "left")

    def expire(self, now: float) -> list[Lost]:
        """Take back what silent and stuck generators hold. Silent ones are no longer members."""
        lost = []
        for member in list(self.members.values()):
            if now - member.heard > self.silence:
                del self.members[member.name]
                lost += [self._withdraw(member, lease, "silent") for lease in list(member.hand)]
            elif member.hand and now - member.moved > self.expiry:
                lost += [self._withdraw(member, lease, "slow") for lease in list(member.hand)]
                member.moved = now
        return lost

    def _withdraw(self, member: Member, lease_id: int, why: str) -> Lost:
        fence = member.hand.pop(lease_id)
        lease = self._open[lease_id]
        lease.grants.pop(fence, None)
        if not lease.grants and not lease.received:
            heapq.heappush(self._pending, lease_id)
        return Lost(member.name, lease, why)

    # -- granting ----------------------------------------------------------------------------

    def grant(self, name: str, now: float) -> list[Lease]:
        """Leases for `name` until its hand is full; each stands under its `fence`."""
        self.full = False  # unless this look finds so: others may follow one who takes nothing
        member = self.members.get(name)
        if member is None or member.draining:
            return []
        granted: list[Lease] = []
        full = min(member.slots, self._hand())
        # Refilled when half empty: for short leases, one message then grants many.
        room = full - len(member.hand) if len(member.hand) <= full // 2 else 0
        while len(granted) < room:
            lease = self._regrant(member) or self._cut()
            if lease is None:
                break
            granted.append(self._give(member, lease, now))
        if not granted and not member.hand and (late := self._late_head(name, now)):
            granted.append(self._give(member, late, now))
        return granted

    def _give(self, member: Member, lease: Lease, now: float) -> Lease:
        lease.fence += 1
        lease.grants[lease.fence] = member.name
        lease.granted_at = now
        if not member.hand:
            member.moved = now
        member.hand[lease.id] = lease.fence
        return lease

    def _hand(self) -> int:
        """Leases to hold at once: two, or more when they are both short and small.

        Short: a round trip would be waited for. Small: more bytes under way than the connection
        needs only pass through colder memory.
        """
        by_time = int(HAND_SECONDS / max(self._typical, 0.001))
        return 2 + min(by_time, HAND_BYTES // self._typical_bytes)

    def _regrant(self, member: Member) -> Lease | None:
        passed: list[int] = []
        chosen = None
        while self._pending:
            lease_id = heapq.heappop(self._pending)
            lease = self._open.get(lease_id)
            if lease is None or lease.received or lease.grants:
                continue  # a result came in after all, or it was granted again already
            failed_here = any(member.name in who for who in lease.failures.values())
            if failed_here and len(self.members) > 1:
                passed.append(lease_id)  # somebody else may be able to read it
                continue
            chosen = lease
            break
        for lease_id in passed:
            heapq.heappush(self._pending, lease_id)
        return chosen

    def _cut(self) -> Lease | None:
        while self._segment < len(self.plan.segments):
            segment = self.plan.segments[self._segment]
            if self._visit < segment.visits:
                break
            self._segment, self._visit = self._segment + 1, 0
        else:
            self.full = False
            return None
        count = min(self._size(segment), segment.visits - self._visit)
        nbytes = count * segment.visit_bytes
        self.full = self.charged + nbytes > self.budget
        if self.full:
            return None
        lease = Lease(self._next_id, segment, self._visit, count, nbytes)
        self._open[lease.id] = lease
        self.charged += nbytes
        self._next_id += 1
        self._visit += count
        return lease

    def _size(self, segment: Segment) -> int:
        """Visits in the next lease."""
        by_bytes = self.lease_bytes // segment.visit_bytes
        seconds = self._visit_seconds.get(segment.split)
        by_time = int(LEASE_SECONDS / max(seconds, 1e-9)) if seconds is not None else 1
        free = self.budget // segment.visit_bytes - self._window(segment)
        by_share = free // (2 * len(self.members) + 2)
        return max(1, min(by_bytes, by_time, by_share, free // 3))

    def _late_head(self, name: str, now: float) -> Lease | None:
        lease = self.waiting_for
        if lease is None or len(lease.grants) != 1 or name in lease.grants.values():
            return None
        late = max(BACKUP_FLOOR, BACKUP_FACTOR * self._typical)
        return lease if now - lease.granted_at > late else None

    # -- results -----------------------------------------------------------------------------

    def receive(
        self, name: str, lease_id: int, fence: int, seconds: float, now: float
    ) -> tuple[Verdict, list[Lease]]:
        """A result came. Returns what it counts as, and the leases that are now deliverable."""
        lease = self._open.get(lease_id)
        if lease is None or lease.received:
            known = 0 <= lease_id < self._next_id
            self._drop(name, lease_id, now)
            return (Verdict.DUPLICATE if known else Verdict.UNKNOWN), []
        if lease.grants.get(fence) != name:
            return Verdict.LATE, []
        lease.received = True
        for generator in lease.grants.values():
            self._drop(generator, lease_id, now)
        lease.grants = {}
        self._learn(lease, seconds)
        return Verdict.ACCEPTED, self._deliverable(lease)

    def _drop(self, name: str, lease_id: int, now: float) -> None:
        member = self.members.get(name)
        if member is not None and member.hand.pop(lease_id, None) is not None:
            member.moved = now

    def _learn(self, lease: Lease, seconds: float) -> None:
        each, split = seconds / lease.count, lease.segment.split
        known = self._visit_seconds.get(split, each)
        self._visit_seconds[split] = 0.8 * known + 0.2 * each
        self._typical = 0.8 * self._typical + 0.2 * seconds
        self._typical_bytes = lease.nbytes

    def _deliverable(self, lease: Lease) -> list[Lease]:
        if not self.exact:
            return self._by_arrival(lease)
        ready = []
        while (first := next(iter(self._open.values()), None)) is not None and first.received:
            ready.append(self._open.pop(first.id))
        return ready

    def _by_arrival(self, lease: Lease) -> list[Lease]:
        """As they come, but never a later segment before this one is complete."""
        self._early.setdefault(lease.segment.index, []).append(lease)
        ready: list[Lease] = []
        while arrived := self._early.pop(self._turn, []):
            for one in arrived:
                ready.append(self._open.pop(one.id))
                self._undelivered[self._turn] -= one.count
            if not self._undelivered[self._turn]:
                self._turn += 1
        return ready

    def unreadable(self, name: str, lease_id: int, fence: int, record: int, now: float) -> bool:
        """`name` could not read `record`. True when that was the last try and it counts as bad."""
        lease = self._open.get(lease_id)
        if lease is None or lease.grants.get(fence) != name:
            return False
        member = self.members[name]
        lease.failures.setdefault(record, set()).add(name)
        lease.tries[record] = lease.tries.get(record, 0) + 1
        if lease.tries[record] >= READ_TRIES:
            lease.bad.add(record)
            del lease.failures[record]
        self._withdraw(member, lease_id, "left")
        member.moved = now
        return record in lease.bad

    def find(self, lease_id: int) -> Lease | None:
        """The lease of that number, if it is cut and not yet delivered."""
        return self._open.get(lease_id)

    def handed(self, lease: Lease) -> None:
        """Every sample of `lease` has gone into a batch: its bytes leave the budget."""
        self.charged -= lease.nbytes

    @property
    def exhausted(self) -> bool:
        """Nothing is left to cut, and all that was cut is delivered."""
        last = len(self.plan.segments) - 1
        cut = self._segment > last or (
            self._segment == last and self._visit >= self.plan.segments[last].visits
        )
        return cut and not self._open

    @property
    def waiting_for(self) -> Lease | None:
        """The lease at the head of the line, if it is cut and its result is not in."""
        lease = next(iter(self._open.values()), None)
        return None if lease is None or lease.received else lease
