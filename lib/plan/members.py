"""A generator as the plan sees it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Member(msgspec.Struct, eq=False):
    """What a generator holds, and when it last moved."""

    name: str
    slots: int
    moved: float
    since: float  # when the lease that it makes now became its only business
    hand: dict[int, int] = {}  # lease id → fence
    most: int = 1  # leases it may hold, as of its last grant
    doing: tuple[int, int] | None = None  # (lease id, record) that it is at, by its own word
    draining: bool = False
    stuck: bool = False  # since `expire`, until it moves

    @property
    def able(self) -> bool:
        return not (self.draining or self.stuck)

    @property
    def wants(self) -> bool:
        """Half of its hand is empty: for short leases, one message then grants many."""
        return len(self.hand) <= self.most // 2 and not (self.draining or self.stuck)


def idle(members: Iterable[Member]) -> list[str]:
    """Names of those that could make a lease and hold none."""
    return [one.name for one in members if not (one.hand or one.draining or one.stuck)]
