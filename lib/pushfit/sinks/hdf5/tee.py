"""A source of stored and live deliveries, which keeps the live ones for the sink to write.

A stream that was interrupted resumes at the first visit that no shard has. Before that, the shards
of the same epoch are read, as if they were delivered now. So audit and hash cover the whole epoch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from pushfit.errors import PushFitError
from pushfit.feed.source import Delivery, Source
from pushfit.plan.batches import Start
from pushfit.plan.leases import Lease
from pushfit.plan.order import Plan
from pushfit.store.layout import Store
from pushfit.store.shard import Shard
from pushfit.wire.protocol import Bad

STORED = -1  # the id of a lease that was granted to no generator


class Tee:
    """A `Source`: first the shards in `folder` of the segment in which `live` begins, then `live`.

    fresh: the deliveries of `live`; the caller takes them out.
    """

    def __init__(self, live: Source, folder: Path, store: Store) -> None:
        self._live, self._folder, self._store = live, folder, store
        self.fresh: deque[Delivery] = deque()

    @property
    def failure(self) -> PushFitError | None:
        return self._live.failure

    @property
    def plan(self) -> Plan:
        return self._live.plan

    @property
    def start_at(self) -> Start:
        return Start(self._live.start_at.segment)

    @property
    def generators(self) -> int | None:
        return self._live.generators

    def deliveries(self) -> Iterator[Delivery]:
        yield from self._stored()
        for delivery in self._live.deliveries():
            self.fresh.append(delivery)
            yield delivery

    def handed(self, lease: Lease) -> None:
        if lease.id != STORED:
            self._live.handed(lease)

    def abort(self, error: PushFitError) -> None:
        self._live.abort(error)

    def _stored(self) -> Iterator[Delivery]:
        start = self._live.start_at
        if not start.visit:
            return
        segment = self.plan.segments[start.segment]
        form = self._store.splits[segment.split]
        for number in range(-(-start.visit // form.shard)):
            with Shard(self._folder, self._store, segment.split, segment.epoch, number) as shard:
                shard.check()  # the hash must not cover samples that the disk has damaged
                end = shard.first + shard.count
                for first in range(shard.first, end, form.group):
                    count = min(form.group, end - first)
                    lease = Lease(STORED, segment, first, count, count * segment.visit_bytes)
                    bad = [
                        Bad(visit, 0, "", "stored so")
                        for visit in shard.bad
                        if first <= visit < first + count
                    ]
                    yield Delivery(lease, shard.read(first, count), bad)
