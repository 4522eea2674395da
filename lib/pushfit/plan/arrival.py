"""Delivery in order of arrival: leases are delivered as they come, but one segment at a time.

The stream is then not bit-identical between fleets, but epochs and splits stay complete.
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from pushfit.plan.batches import Start
from pushfit.plan.order import Plan, Segment


class Arrived(Protocol):
    """What is delivered: a lease."""

    segment: Segment
    count: int


L = TypeVar("L", bound=Arrived)


class Arrival(Generic[L]):
    """The segment that is being delivered, what it still lacks, and leases that came too early."""

    def __init__(self, plan: Plan, start: Start) -> None:
        self._turn = start.segment
        self._segments = plan.segments
        self._lacking = self._visits() - start.visit
        self._early: dict[int, list[L]] = {}

    def receive(self, lease: L) -> list[L]:
        """The leases that may be delivered, in order, now that `lease` has come."""
        self._early.setdefault(lease.segment.index, []).append(lease)
        ready: list[L] = []
        while arrived := self._early.pop(self._turn, []):
            ready += arrived
            self._lacking -= sum(one.count for one in arrived)
            if not self._lacking:
                self._turn += 1
                self._lacking = self._visits()
        return ready

    def _visits(self) -> int:
        segment = self._segments.get(self._turn)
        return segment.visits if segment else 0
