"""Which generator gets leases next, and the messages that grant them. No socket.

- Generators with room in their hand stand in a queue; a turn serves each once, with one message.
- Where the budget is full, whoever was just served goes to its end, and all wait until a lease is
  handed on: `starved`.
- `wants` tells generators elsewhere whether to come. A run that had its budget filled has enough,
  until half of what moves in it is free again: else they would come and go with each batch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from pushfit.plan import budget
from pushfit.plan.leases import Lease, Leases
from pushfit.wire import protocol as wire


class GrantQueue:
    """Of the run named `run`. starved: the latest `serve` left somebody waiting for the budget."""

    def __init__(self, run: str, leases: Leases) -> None:
        self.starved = False
        self._run, self._leases = run, leases
        self._hungry: OrderedDict[str, None] = OrderedDict()
        self._sated = False
        self._moving = budget.moving(leases.plan, leases.budget)

    def add(self, name: str) -> None:
        """`name` may have room for leases; whoever stands in the queue keeps the place."""
        self._hungry.setdefault(name)

    def forget(self, name: str) -> None:
        self._hungry.pop(name, None)

    def serve(self, now: float) -> Iterator[tuple[str, wire.Grants]]:
        """(generator, message) of each that gets leases now. To be sent before the next is asked
        for: whoever turns out to be gone may be forgotten meanwhile."""
        leases, self.starved = self._leases, False
        for _ in range(len(self._hungry)):  # one that is told of is told once a turn
            name = next(iter(self._hungry))
            granted = leases.grant(name, now)
            if granted:
                yield name, self.message(granted)
                self.forget(name)  # to the end of the queue, if it still wants some
                self._sated |= leases.full
                if leases.full and name in leases.members:
                    self._hungry[name] = None
            elif not leases.full or leases.pending:
                self.forget(name)  # who is next may make what this one cannot
            else:
                self.starved = self._sated = True
                break

    @property
    def wants(self) -> bool:
        """Whether one more generator would find work."""
        leases = self._leases
        if self._sated and 2 * (leases.budget - leases.charged) >= self._moving:
            self._sated = False
        return bool(leases.pending) or not (self._sated or leases.all_cut)

    def message(self, leases: list[Lease]) -> wire.Grants:
        """Tells one generator of `leases`, each under the fence that it was granted last."""
        return wire.Grants(run=self._run, grants=[self._grant(lease) for lease in leases])

    def _grant(self, lease: Lease) -> wire.Grant:
        segment, plan = lease.segment, self._leases.plan
        records = plan.records(segment)[lease.start : lease.start + lease.count]
        return wire.Grant(
            lease.id,
            lease.fence,
            segment.split,
            plan.patch_epoch(segment),
            lease.start,
            records.tolist(),
            self._leases.avoid(lease),
            lease.fence in lease.careful,
        )
