"""The speed of each generator, and the size and number of leases that follow from it. Pure.

- A lease should take its generator LEASE_SECONDS: long enough to hide a round trip, short enough to
  be lost without much harm. So a generator with a tenth of the speed gets leases with a tenth of
  the visits, which delay the line no longer than others. In a large fleet leases are longer, so
  that the trainer has at most LEASES_PER_SECOND: each costs it the same, whatever its size.
- A generator holds two leases, so that it never waits for a round trip, and more if they are short
  and small. A generator that lags holds one: a second one would only wait.

Times are measured from one result of a generator to its next, so a slow link counts like a slow
generator. A single time counts for at most ten times the mean, since the trainer may have paused.
"""

from __future__ import annotations

from pushfit.plan.order import Segment

MOST_VISITS = 2**16  # visits of a lease: one message names all of its records
LEASE_SECONDS = 0.25  # intended duration of a lease
LEASES_PER_SECOND = 1000  # most leases of the whole fleet; with more, leases become longer
LONGEST_SECONDS = 2.0  # longest intended duration of a lease
HAND_BYTES = 16 * 2**20  # bytes that a generator holds: a few milliseconds of a fast network
HAND_SECONDS = 0.05  # work that a generator holds beyond the lease that it is making
LAG_FACTOR = 2.0  # a generator lags if its visits take this many times the fleet's mean
BACKUP_FACTOR = 2.0  # the head is late after this many times the duration of a lease
BACKUP_FLOOR = 0.2  # seconds before which the head is never late, to allow for jitter
OUTLIER = 10.0  # a time counts for at most this many times the mean
KEEP = 0.8  # weight of the mean so far against the latest lease


class Pace:
    """The running means of the fleet and of each generator."""

    def __init__(self, lease_bytes: int) -> None:
        self.lease_bytes = lease_bytes
        self._fleet: dict[str, float] = {}  # {split: seconds of a visit}
        self._each: dict[str, dict[str, float]] = {}  # {generator: {split: seconds of a visit}}
        self._lease = LEASE_SECONDS  # mean seconds of a lease
        self._lease_bytes = lease_bytes  # size of the latest lease received

    def learn(self, name: str, segment: Segment, visits: int, seconds: float) -> None:
        """Note that `name` took `seconds` for `visits` visits."""
        each = seconds / visits
        _learn(self._fleet, segment.split, each)
        if (own := self._each.get(name)) is None:
            own = self._each[name] = {}
        _learn(own, segment.split, each)
        self._lease = KEEP * self._lease + (1 - KEEP) * min(seconds, OUTLIER * self._lease)
        self._lease_bytes = visits * segment.visit_bytes

    def overtaken(self, name: str, segment: Segment, visits: int, seconds: float) -> None:
        """Note that `name` held `visits` visits for `seconds`, and another made them first.

        Its time is not known then, only that it is slow. Without this note it could stay unknown,
        as it may never be first again.
        """
        if seconds / visits > (self.visit(name, segment.split) or 0.0):
            _learn(self._each.setdefault(name, {}), segment.split, seconds / visits)

    def forget(self, name: str) -> None:
        """Forget the speed of `name`, which has left."""
        self._each.pop(name, None)

    def visit(self, name: str, split: str) -> float | None:
        """Seconds of a visit of `name`: its own mean, or else the fleet's; None: not known yet."""
        return self._each.get(name, self._fleet).get(split, self._fleet.get(split))

    def late(self, holder: str, other: str, segment: Segment, visits: int, ago: float) -> bool:
        """Return whether `other` would finish a lease sooner than `holder`, who got it `ago`.

        ago: seconds. After a while the answer is yes, whatever the speed of the holder.
        """
        theirs, ours = (self.visit(name, segment.split) or 0.0 for name in (holder, other))
        left = visits * theirs - ago
        return left > visits * ours or ago > max(BACKUP_FLOOR, BACKUP_FACTOR * self._lease)

    def hand(self, name: str) -> int:
        """The number of leases that `name` may hold at once."""
        if self._lags(name):
            return 1
        by_time = int(HAND_SECONDS / max(self._lease, 0.001))
        return 2 + min(by_time, HAND_BYTES // self._lease_bytes)

    def visits(self, name: str, segment: Segment, generators: int) -> int:
        """The number of visits in a lease for `name`, by bytes and time; it may be 0.

        generators: the size of the fleet.
        """
        seconds = self.visit(name, segment.split)
        if seconds is None:
            return 1
        aim = max(LEASE_SECONDS, min(generators / LEASES_PER_SECOND, LONGEST_SECONDS))
        if self._lags(name):
            aim = min(aim, self._lease)
        by_time = int(aim / max(seconds, 1e-9))
        return min(self.lease_bytes // segment.visit_bytes, by_time, MOST_VISITS)

    def _lags(self, name: str) -> bool:
        for split, seconds in self._each.get(name, {}).items():
            if seconds > LAG_FACTOR * self._fleet[split]:
                return True
        return False


def _learn(known: dict[str, float], split: str, each: float) -> None:
    mean = known.get(split, each)
    known[split] = KEEP * mean + (1 - KEEP) * min(each, OUTLIER * mean)
