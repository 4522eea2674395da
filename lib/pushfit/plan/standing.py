"""Which identities are useless to the run, since they fail more than they make. Pure.

**An identity** is a key or, without keys, an address. A try is **in vain** if the identity lost the
lease, or called it unreadable, impossible or bad, and another identity then made it. An identity is
useless if it has tried in vain `MOST_IN_VAIN` times, and more often than it has made leases.

- All failures of one moment are one try: a site whose network fails loses a hundred leases at once.
  So a try counts only if its lease was granted after the previous try that counted.
- No identity is judged by itself: a fleet with a single identity is never rejected.
- Each record that an identity calls bad, and another one confirms, lets `CREDIT` further ones be
  believed without confirmation.
"""

from __future__ import annotations

from collections.abc import Set

import msgspec

from pushfit.plan.suspects import Case

MOST_IN_VAIN = 10
CREDIT = 4


class Standing(msgspec.Struct, eq=False):
    """The standing of one identity. failed: the time of its last failure that counts."""

    made: int = 0
    in_vain: int = 0
    credit: int = 0
    failed: float | None = None
    out: bool = False


class Standings:
    """The standings of all identities. `out`: those that have just proved useless."""

    def __init__(self) -> None:
        self.each: dict[str, Standing] = {}
        self.out: list[str] = []

    def of(self, who: str) -> Standing:
        """The standing of the identity `who`."""
        return self.each.setdefault(who, Standing())

    def tried(self, who: str, granted: float, now: float) -> bool:
        """Note that `who` failed at a lease granted at that time; returns whether it counts."""
        standing = self.of(who)
        if standing.failed is not None and granted < standing.failed:
            return False
        standing.failed = now
        return True

    def spend(self, who: str, claims: int) -> bool:
        """Return whether `claims` further records of `who` are bad without confirmation."""
        standing = self.of(who)
        if standing.credit < claims:
            return False
        standing.credit -= claims
        return True

    def made(self, who: str, case: Case | None, bad: Set[int]) -> None:
        """Note that `who` has made a lease in which the records `bad` are substituted."""
        self.of(who).made += 1
        for one in case.tries if case else ():
            if one.who == who:
                continue
            confirmed = CREDIT * sum(record in bad for record in one.bad)
            self.of(who).credit += confirmed
            self.of(one.who).credit += confirmed
            if one.counts and not one.bad & bad:
                self._in_vain(one.who)

    def _in_vain(self, who: str) -> None:
        standing = self.of(who)
        standing.in_vain += 1
        if not standing.out and standing.in_vain >= max(MOST_IN_VAIN, standing.made + 1):
            standing.out = True
            self.out.append(who)
