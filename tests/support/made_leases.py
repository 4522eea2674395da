"""Leases made as soon as they may be cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np

from pushfit.feed.audit import Audited
from pushfit.feed.feed import Feed
from pushfit.feed.source import Delivery, Source
from pushfit.plan.batches import start
from pushfit.plan.leases import Lease, Leases
from pushfit.plan.order import Plan
from pushfit.tasks.base import ArraySpec
from pushfit.wire.protocol import Bad

SPECS = (ArraySpec("id", "int64", (3,)), ArraySpec("twice", "int64", ()))


SAMPLE = sum(spec.nbytes for spec in SPECS)


class Maker:
    """Stands in for the dispatcher: makes each lease as soon as it may be cut."""

    def __init__(self, plan: Plan, epoch: int = 0, step: int = 0, batch: int = 1) -> None:
        self.plan, self.start_at = plan, start(plan, epoch, step, batch)
        need = max((plan.window + 3) * each.visit_bytes for each in plan.segments)
        self.leases = Leases(plan, budget=3 * need, lease_bytes=need // 5, start=self.start_at)
        self.leases.join("one", 1, 0.0)
        self.visits: list[tuple[int, int]] = []

    def deliveries(self) -> Iterator[Delivery]:
        left = self.leases.visits
        while left:
            (granted,) = self.leases.grant("one", 0.0)
            _, ready = self.leases.receive("one", granted.id, granted.fence, 0.1, 0.0)
            for lease in ready:
                left -= lease.count
                yield self.made(lease)
        assert self.leases.exhausted

    def made(self, lease: Lease) -> Delivery:
        segment, visits = lease.segment, range(lease.start, lease.start + lease.count)
        self.visits += [(segment.index, visit) for visit in visits]
        ids = np.array(
            [(segment.index, visit, patch) for visit in visits for patch in range(segment.patches)]
        )
        bad = [Bad(visit, 0, "", "") for visit in visits if visit % 3 == 0]
        return Delivery(lease, (ids, 2 * ids[:, 1]), bad)

    def handed(self, lease: Lease) -> None:
        self.leases.handed(lease)

    def feed(self, batch: int, before: Audited | None = None) -> Feed:
        return Feed(cast(Source, self), SPECS, batch, hashed=True, before=before)
