"""A generator as the plan sees it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Member(msgspec.Struct, eq=False):
    """The leases that a generator holds, and when it last made progress."""

    name: str
    who: str  # its identity (key or address), which several generators may share
    host: str  # the host that it runs on, as it says itself
    slots: int
    moved: float
    since: float  # when it began with the lease that it makes now
    hand: dict[int, int] = {}  # {lease id: fencing token}
    most: int = 1  # most leases that it may hold, as of its last grant
    doing: tuple[int, int] | None = None  # (lease id, record) that it is at, as it says itself
    draining: bool = False
    stuck: bool = False  # True from `expire` until it makes progress

    @property
    def able(self) -> bool:
        """Return whether it can make leases: it is neither leaving nor stuck."""
        return not (self.draining or self.stuck)

    @property
    def wants(self) -> bool:
        """Return whether half of its hand is empty, so that one message grants several leases."""
        return len(self.hand) <= self.most // 2 and not (self.draining or self.stuck)


def idle(members: Iterable[Member]) -> list[str]:
    """The names of the generators that could make a lease and hold none."""
    return [one.name for one in members if not (one.hand or one.draining or one.stuck)]
