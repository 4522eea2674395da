"""How long things take whom, and so how much each generator is given at a time. Pure.

- A lease should take its generator LEASE_SECONDS: long enough to hide a round trip, short enough to
  lose. So a generator at a tenth of the speed gets leases of a tenth of the visits, which hold up
  the line no longer than anybody else's. A large fleet gets longer ones, so that the trainer has
  no more than LEASES_PER_SECOND to see to: each costs it as much, however little is in it.
- A generator holds two leases, so that it never waits for a round trip; more where they are both
  short and small. One that lags holds one: its second would only wait.

Times are from one result of a generator to its next: a slow link counts as a slow generator does.
A single one counts for ten times the mean at most: the trainer itself may have stood still.
"""

from __future__ import annotations

from lib.plan.order import Segment

LEASE_SECONDS = 0.25  # aimed at, for a lease, …
LEASES_PER_SECOND = 1000  # … unless there were more than so many in all; …
LONGEST_SECONDS = 2.0  # … even then not longer
HAND_BYTES = 16 * 2**20  # a few milliseconds of a fast network
HAND_SECONDS = 0.05  # work a generator holds beyond the lease that it is making
LAG_FACTOR = 2.0  # a visit that takes that many times the fleet's mean: its generator lags
BACKUP_FACTOR = 2.0  # a head later than this many times what a lease takes is late
BACKUP_FLOOR = 0.2  # seconds; below it, jitter would look like lateness
OUTLIER = 10.0  # times the mean; what is above counts as that
KEEP = 0.8  # weight of what was known, against the latest lease


class Pace:
    """Running means, of the fleet and of each generator."""

    def __init__(self, lease_bytes: int) -> None:
        self.lease_bytes = lease_bytes
        self._fleet: dict[str, float] = {}  # split → seconds a visit
        self._each: dict[str, dict[str, float]] = {}  # generator → the same
        self._lease = LEASE_SECONDS  # seconds a lease
        self._lease_bytes = lease_bytes  # size of the latest lease received

    def learn(self, name: str, segment: Segment, visits: int, seconds: float) -> None:
        """`name` took `seconds` for so many visits."""
        each = seconds / visits
        _learn(self._fleet, segment.split, each)
        if (own := self._each.get(name)) is None:
            own = self._each[name] = {}
        _learn(own, segment.split, each)
        self._lease = KEEP * self._lease + (1 - KEEP) * min(seconds, OUTLIER * self._lease)
        self._lease_bytes = visits * segment.visit_bytes

    def overtaken(self, name: str, segment: Segment, visits: int, seconds: float) -> None:
        """`name` had so many visits for `seconds`, and another was done with them first.

        What it will take is not known then, but that it is slow is: it might never be first again.
        """
        if seconds / visits > (self.visit(name, segment.split) or 0.0):
            _learn(self._each.setdefault(name, {}), segment.split, seconds / visits)

    def forget(self, name: str) -> None:
        self._each.pop(name, None)

    def visit(self, name: str, split: str) -> float | None:
        """Seconds that a visit takes `name`: its own mean, or the fleet's, or not known yet."""
        return self._each.get(name, self._fleet).get(split, self._fleet.get(split))

    def late(self, holder: str, other: str, segment: Segment, visits: int, ago: float) -> bool:
        """Whether `other` would be sooner done with a lease that `holder` was granted `ago`.

        By what is known of both; and after a while, whatever is known of the holder.
        """
        theirs, ours = (self.visit(name, segment.split) or 0.0 for name in (holder, other))
        left = visits * theirs - ago
        return left > visits * ours or ago > max(BACKUP_FLOOR, BACKUP_FACTOR * self._lease)

    def hand(self, name: str) -> int:
        """Leases for `name` to hold at once."""
        if self._lags(name):
            return 1
        by_time = int(HAND_SECONDS / max(self._lease, 0.001))
        return 2 + min(by_time, HAND_BYTES // self._lease_bytes)

    def visits(self, name: str, segment: Segment, generators: int) -> int:
        """Visits in a lease for `name`, one of so many, as far as bytes and time go; may be 0."""
        seconds = self.visit(name, segment.split)
        if seconds is None:
            return 1
        aim = max(LEASE_SECONDS, min(generators / LEASES_PER_SECOND, LONGEST_SECONDS))
        if self._lags(name):
            aim = min(aim, self._lease)
        by_time = int(aim / max(seconds, 1e-9))
        return min(self.lease_bytes // segment.visit_bytes, by_time)

    def _lags(self, name: str) -> bool:
        for split, seconds in self._each.get(name, {}).items():
            if seconds > LAG_FACTOR * self._fleet[split]:
                return True
        return False


def _learn(known: dict[str, float], split: str, each: float) -> None:
    mean = known.get(split, each)
    known[split] = KEEP * mean + (1 - KEEP) * min(each, OUTLIER * mean)
