"""Delivery in order of arrival: as results come, but never a later segment before this is complete.

What the stream gives up is bit-identity; epochs and splits stay whole.
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from lib.plan.batches import Start
from lib.plan.order import Plan, Segment


class Arrived(Protocol):
    """What is delivered: a lease."""

    segment: Segment
    count: int


L = TypeVar("L", bound=Arrived)


class Arrival(Generic[L]):
    """Which segment is being delivered, what it still lacks, and what came before its turn."""

    def __init__(self, plan: Plan, start: Start) -> None:
        self._turn = start.segment
        self._segments = plan.segments
        self._lacking = self._visits() - start.visit
        self._early: dict[int, list[L]] = {}

    def receive(self, lease: L) -> list[L]:
        """`lease` came: the leases that may be delivered now, in order."""
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
