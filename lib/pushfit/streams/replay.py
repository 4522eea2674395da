"""A source that reads from a folder what a sink has stored.

- If the files are not compressed, a delivery is a view of a mapped file. `Window` then makes the
  first copy, from the page cache into the batch. In an epoch that is stored, a delivery is a whole
  file, so that a batch is copied in one call. In a further epoch, it is a **group**, whose samples
  are adjacent on the disk. The kernel reads ahead what comes next.
- Deliveries come in the order of the plan, so in a stored epoch the stream is the live one.
- An error in a file ends the stream with a message that names the file.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from pushfit.errors import DataError, PushFitError, StreamClosed
from pushfit.feed.source import Delivery
from pushfit.plan.batches import Start
from pushfit.plan.leases import Lease
from pushfit.plan.order import Segment
from pushfit.plan.replay import ReplayPlan
from pushfit.store.layout import Split, Store, shard_path
from pushfit.store.shard import Shard
from pushfit.store.vetting import vetted
from pushfit.wire.protocol import Bad

AHEAD_BYTES = 96 * 2**20  # bytes that the kernel reads from the disk in advance
OPEN = 256  # most open shards, each of which is a file; a process may have 1,024 of them


class Part(msgspec.Struct, frozen=True):
    """Where the samples of a split of the run are stored.

    folder, store: the stored stream.
    split: the split of the stored stream.
    epochs: the number of its epochs that are used, from the first on; None: all.
    """

    folder: Path
    store: Store
    split: str
    epochs: int | None = None

    @property
    def form(self) -> Split:
        return self.store.splits[self.split]

    @property
    def shards(self) -> Iterator[tuple[int, int]]:
        """(epoch, number) of each of its files."""
        return itertools.product(range(self.epochs or self.form.epochs), range(self.form.shards))

    def missing(self) -> list[Path]:
        """The files that are missing."""
        paths = (shard_path(self.folder, self.split, *each) for each in self.shards)
        return [path for path in paths if not path.is_file()]


class Replay:
    """A source of stored samples.

    start_at: where the stream begins.
    parts: {split of `plan`: where its samples are stored}.
    """

    def __init__(self, plan: ReplayPlan, start_at: Start, parts: Mapping[str, Part]) -> None:
        self.plan, self.start_at, self._parts = plan, start_at, parts
        self.failure: PushFitError | None = None
        self.generators = None
        # Open shards; the one that was used last is the last.
        self._shards: OrderedDict[tuple[str, int, int], Shard] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = False
        self._ids = itertools.count()
        self._ahead = ThreadPoolExecutor(1, "read ahead")

    def deliveries(self) -> Iterator[Delivery]:
        for segment in self.plan.segments.since(self.start_at.segment):
            skip = self.start_at.visit if segment.index == self.start_at.segment else 0
            soon: deque[tuple[int, int]] = deque()
            for first, count in self._units(segment):
                if skip >= count:
                    skip -= count
                    continue
                soon.append((first + skip, count - skip))
                skip = 0
                shard = self._open(segment, soon[-1][0])
                with self._held():
                    self._ahead.submit(shard.expect, *soon[-1])
                if sum(count for _, count in soon) * segment.visit_bytes > AHEAD_BYTES:
                    yield self._read(segment, *soon.popleft())
            while soon:
                yield self._read(segment, *soon.popleft())

    def _units(self, segment: Segment) -> Iterator[tuple[int, int]]:
        """(first visit, number of visits) of each delivery, in the order of the plan."""
        if self.plan.reordered(segment):
            yield from self.plan.groups(segment)
            return
        form = self._parts[segment.split].form
        for first, count in map(form.span, range(form.shards)):
            step = count if self._open(segment, first).whole else form.group
            for low in range(first, first + count, step):
                yield low, min(step, first + count - low)

    def handed(self, lease: Lease) -> None:
        """Do nothing, since nothing of it is kept here."""

    def abort(self, error: PushFitError) -> None:
        self.failure = error

    def close(self) -> None:
        """Close the files. Deliveries stay valid."""
        with self._lock:
            self._closed = True
        self._ahead.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            for shard in self._shards.values():
                shard.close()
            self._shards.clear()

    def look(self) -> None:
        """Open every file once. Raises DataError if one cannot be used."""
        every = [
            (part.folder, part.split, epoch, number)
            for part in self._parts.values()
            for epoch, number in part.shards
        ]
        for wrong in vetted(every):
            raise DataError(wrong)
        with self._lock:
            for split, part in self._parts.items():
                for epoch, number in part.shards:
                    self._shard(split, epoch, number)

    def _read(self, segment: Segment, first: int, count: int) -> Delivery:
        shard = self._open(segment, first)
        with self._held():
            arrays = shard.read(first, count)
        bad = [visit for visit in shard.bad if first <= visit < first + count]
        lease = Lease(next(self._ids), segment, first, count, count * segment.visit_bytes)
        return Delivery(lease, arrays, [Bad(visit, 0, "", "") for visit in bad])

    def _open(self, segment: Segment, visit: int) -> Shard:
        """The shard that holds `visit`."""
        number = visit // self._parts[segment.split].form.shard
        with self._held():
            return self._shard(segment.split, self.plan.stored_epoch(segment), number)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Keep the files open while they are used. An error is kept as `failure`."""
        with self._lock:
            if self._closed:
                raise StreamClosed("the stream was closed")
            if self.failure is not None:
                raise self.failure
            try:
                yield
            except PushFitError as error:
                self.failure = error
                raise

    def _shard(self, split: str, epoch: int, number: int) -> Shard:
        """Shard `number` of an epoch of a split of the run, opened."""
        key, part = (split, epoch, number), self._parts[split]
        shard = self._shards.pop(key, None)
        if shard is None:
            shard = Shard(part.folder, part.store, part.split, epoch, number)
            if len(self._shards) == OPEN:
                self._shards.popitem(last=False)[1].close()
        self._shards[key] = shard
        return shard
