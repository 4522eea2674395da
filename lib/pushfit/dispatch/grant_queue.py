"""Which generator is granted leases next, and the messages that grant them. It has no socket.

- Generators that can hold more leases stand in a queue. A turn serves each once, with one message.
- If the budget is full, the generator that was just served moves to the end of the queue, and all
  wait until a lease is handed on (`starved`).
- `wants` tells the generators of other runs whether to come. A run whose budget was full has enough
  until half of the moving part of it is free again. Otherwise they would come and leave with each
  batch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from pushfit.plan import budget
from pushfit.plan.leases import Lease, Leases
from pushfit.wire import protocol as wire


class GrantQueue:
    """The queue of the run called `run`.

    starved: at the last `serve` a generator was left waiting, since the budget is full.
    """

    def __init__(self, run: str, leases: Leases) -> None:
        self.starved = False
        self._run, self._leases = run, leases
        self._hungry: OrderedDict[str, None] = OrderedDict()
        self._sated = False
        self._moving = budget.moving(leases.plan, leases.budget)

    def add(self, name: str) -> None:
        """Note that `name` may hold more leases. If it is in the queue, it keeps its place."""
        self._hungry.setdefault(name)

    def forget(self, name: str) -> None:
        """Take `name` out of the queue."""
        self._hungry.pop(name, None)

    def serve(self, now: float) -> Iterator[tuple[str, wire.Grants]]:
        """(generator, message) of each generator that is granted leases now.

        Send each message before the next one is taken: if its generator has left, the caller calls
        `forget`.
        """
        leases, self.starved = self._leases, False
        for _ in range(len(self._hungry)):  # each generator is served once
            name = next(iter(self._hungry))
            granted = leases.grant(name, now)
            if granted:
                yield name, self.message(granted)
                self.forget(name)  # below it is added at the end, if it may want more
                self._sated |= leases.full
                if leases.full and name in leases.members:
                    self._hungry[name] = None
            elif not leases.full or leases.pending:
                self.forget(name)  # the next generator may be able to make them
            else:
                self.starved = self._sated = True
                break

    @property
    def wants(self) -> bool:
        """Return whether one more generator would find work."""
        leases = self._leases
        if self._sated and 2 * (leases.budget - leases.charged) >= self._moving:
            self._sated = False
        return bool(leases.pending) or not (self._sated or leases.all_cut)

    def message(self, leases: list[Lease]) -> wire.Grants:
        """The message that grants `leases` to one generator, each under its last fencing token."""
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
