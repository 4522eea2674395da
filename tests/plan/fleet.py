"""A fleet of given speeds on a simulated clock: what the leases' rules come to in throughput."""

from __future__ import annotations

import heapq

from pushfit.plan.leases import Lease, Leases
from pushfit.plan.order import Plan, SplitOrder

TICK = 0.1  # seconds between two looks of the exchange for backups
SAMPLE = 100  # bytes


def run(
    speeds: list[float],
    *,
    visit: float = 0.02,
    visits: int = 4000,
    room: int = 200,
    known: float = 1.0,
) -> tuple[float, Leases]:
    """Seconds until `visits` visits are delivered by generators of these relative speeds.

    visit: seconds that a visit takes at speed 1; room: visits that the budget holds; known: share
    of its time that a generator reports, the rest being the network's. Results are taken as they
    become deliverable, at once.
    """
    plan = Plan(7, 1, {"train": SplitOrder((visits,), 1)}, SAMPLE, 0)
    leases = Leases(plan, budget=room * SAMPLE, lease_bytes=64 * SAMPLE)
    pace = {f"g{number}": visit / speed for number, speed in enumerate(speeds)}
    hands: dict[str, list[tuple[Lease, int]]] = {name: [] for name in pace}
    events: list[tuple[float, str]] = [(TICK, "")]  # (when, who is done with its first lease)
    for name in pace:
        leases.join(name, 64, 0.0)

    def take(name: str, granted: list[Lease], now: float) -> None:
        if granted and not hands[name]:
            heapq.heappush(events, (now + pace[name] * granted[0].count, name))
        hands[name] += [(lease, lease.fence) for lease in granted]

    now = 0.0
    for name in pace:
        take(name, leases.grant(name, now), now)
    while not leases.exhausted:
        now, name = heapq.heappop(events)
        if name:
            (lease, fence), *rest = hands[name]
            hands[name] = rest
            if rest:
                heapq.heappush(events, (now + pace[name] * rest[0][0].count, name))
            _, ready = leases.receive(name, lease.id, fence, known * pace[name] * lease.count, now)
            for one in ready:
                leases.handed(one)
        else:
            heapq.heappush(events, (now + TICK, ""))
            while backup := leases.backup(now):
                take(backup[0], [backup[1]], now)
        for other in pace:
            take(other, leases.grant(other, now), now)
    return now, leases
