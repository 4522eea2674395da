"""Turns leases into the batches that `fit` takes: mixes, batches and counts the samples.

    Source ─▶ Window ─▶ batches of B ─▶ Crop ─▶ EpochAudit ─▶ Trimming ─▶ `fit`, by `Turns`

- The stream is one sequence over all segments (train 0, val 0, train 1, …).
- `Window` makes the only copy, from ZeroMQ's receive buffer into the batch.
- A stream may begin at any position (`plan.batches.Start`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import msgspec
import numpy as np

from pushfit.errors import StreamClosed
from pushfit.feed.audit import Audit, Audited, EpochAudit, Rows
from pushfit.feed.buffers import Buffers
from pushfit.feed.crop import Crop
from pushfit.feed.positions import Positions
from pushfit.feed.source import Delivery, Source
from pushfit.feed.turns import Turns
from pushfit.feed.window import Arrays, Window
from pushfit.observe.steps import Steps
from pushfit.plan.batches import Start, batches
from pushfit.plan.order import TRAIN, Plan, Segment
from pushfit.tasks.base import ArraySpec
from pushfit.tasks.trimming import Shape, Trimming


class Batch(msgspec.Struct, frozen=True, eq=False):
    """Samples of one segment.

    number: the number of the batch in its segment.
    arrays: {name: (B, *shape)}; in the last batch of a segment B may be smaller. An array that the
        task trims is a view of one of that shape.
    """

    segment: Segment
    number: int
    arrays: Arrays


class Idle(msgspec.Struct, frozen=True, eq=False):
    """No batch was asked for since one was handed on, and the run has more.

    segment, number: those of that batch.
    handed: batches of its split that this feed has handed on, with that one.
    since: monotonic seconds at which it was.
    """

    segment: Segment
    number: int
    handed: int
    since: float


class Feed:
    """The batches of a run. One thread for each split may use `batches(split)`.

    source: where deliveries come from.
    specs: the arrays of a sample, as `fit` takes them.
    batch_size: samples of a batch.
    hashed: compute the hash of the batches.
    before: the audit at the start of the stream, if a run is resumed.
    at_once: bytes of batches that are made in one step; 0: one batch. More than one batch waits
        for samples that the first one does not need, so it suits only a source that never waits.
    crop: cuts the samples of the source to those of `specs`; None: they are the same.
    trim: cuts each batch to its longest sample; None: batches have the shapes of `specs`.
    """

    def __init__(
        self,
        source: Source,
        specs: tuple[ArraySpec, ...],
        batch_size: int,
        *,
        hashed: bool = False,
        before: Audited | None = None,
        at_once: int = 0,
        crop: Crop | None = None,
        trim: Trimming | None = None,
    ) -> None:
        self.plan: Plan = source.plan
        self.specs, self.batch_size = specs, batch_size
        self._source, self._crop, self._start = source, crop, source.start_at
        self._trim = trim
        self._delivered = crop.specs if crop else specs
        batch_bytes = batch_size * sum(spec.nbytes for spec in self._delivered)
        self._together = max(1, at_once // batch_bytes)  # batches that are made in one step
        self._buffers = Buffers()
        self._audit = Audit(self.plan, batch_size, self._start, before, hashed=hashed)
        self._positions = Positions(self.plan, batch_size, self._start)
        self._turns = Turns(self._positions)
        self._stream = self._all_batches()
        self._first: Batch | None = None
        self._skipping = False  # the batch that is being made is not wanted
        self.step_times = Steps()
        self.mixing = 0.0  # seconds in which batches were made
        self.waited = 0.0  # seconds spent waiting for a delivery
        self.samples = self.nbytes = 0  # handed on so far, before they are trimmed
        self.busy_since: float | None = None  # when the first batch was asked for
        self.until = 0.0  # when the last batch was handed on
        self.idle: Idle | None = None  # None: a batch is being made, or none was asked for
        self._handed: Counter[str] = Counter()  # batches of each split

    @property
    def shapes(self) -> dict[str, Shape]:
        """{array: its shape for one sample, within batches}; None: an axis of any length."""
        trim = self._trim
        return {spec.name: trim.shape(spec) if trim else spec.shape for spec in self.specs}

    def steps(self, split: str) -> int:
        """The number of batches in an epoch of `split`; 0 if there is no such split."""
        same = (s for s in self.plan.segments.epoch if s.split == split)
        return next((segment.batches(self.batch_size) for segment in same), 0)

    def dropped(self, split: str) -> int:
        """Samples of an epoch of `split` that do not fill a batch and are left out."""
        same = (s for s in self.plan.segments.epoch if s.split == split)
        return next((segment.dropped(self.batch_size) for segment in same), 0)

    def batch_sizes(self, split: str) -> list[int]:
        """The numbers of samples in batches of `split`, the last of an epoch last; [] without it"""
        same = (s for s in self.plan.segments.epoch if s.split == split)
        if (segment := next(same, None)) is None:
            return []
        whole = [self.batch_size] if segment.samples >= self.batch_size else []
        rest = segment.samples % self.batch_size - segment.dropped(self.batch_size)
        return whole + ([rest] if rest else [])

    def batches(self, split: str) -> Iterator[Batch]:
        """The next batches of `split`, over all epochs, until the run ends or the feed closes."""
        while True:
            self.step_times.asked(split, time.monotonic())
            with self._turns.turn(split) as mine:
                if not mine:
                    return
                try:
                    batch = self._pull()
                except StreamClosed:
                    return
            samples = len(next(iter(batch.arrays.values())))
            self.step_times.handed(split, samples, time.monotonic())
            yield batch

    def all(self) -> Iterator[Batch]:
        """Every batch of the run, in order, for a sink, which takes all splits."""
        while self._positions.split is not None:
            yield self._pull()

    @property
    def next(self) -> tuple[Segment, int] | None:
        """(segment, number in it) of the batch that is pulled next; None: the run is over."""
        return self._positions.next

    def pull(self) -> Batch:
        """The next batch of the run, for one consumer that takes all splits in their order."""
        return self._pull()

    def skip(self) -> None:
        """Pass over the next batch: the audit counts its samples as skipped.

        Not for a feed whose `first` was looked at: that batch has been counted as handed on.
        """
        self._skipping = True
        try:
            self._pull()
        finally:
            self._skipping = False

    def first(self) -> Batch:
        """The run's first batch, to look at. It still comes as the first one of its split."""
        with self._turns.alone():
            if self._first is None:
                self._first = next(self._stream)
            return self._first

    def close(self) -> None:
        """End every wait for a batch. The source must be closed first."""
        self._turns.close()

    def audit(self) -> Rows:
        """{split: [a row for each epoch that was started]}, see `EpochAudit.row`."""
        return self._audit.rows()

    def audited(self, epoch: int, step: int, split: str = TRAIN) -> Audited:
        """The audit when `step` batches of `split` in `epoch` were used, see `Audit.at`."""
        return self._audit.at(epoch, step, split)

    def pass_by(self, index: int) -> None:
        """Note that nobody will ask for a position before segment `index`."""
        self._audit.pass_by(index)

    def figures(self) -> dict[str, float]:
        """Patches and bytes per second, and the share of time spent waiting, of the run so far."""
        elapsed = self.until - self.busy_since if self.busy_since is not None else 0.0
        per = 1 / elapsed if elapsed > 0 else 0.0
        return {
            "patches_per_second": self.samples * per,
            "bytes_per_second": self.nbytes * per,
            "stall_share": min(1.0, self.waited * per),
        }

    # -- inside -----------------------------------------------------------------------------------

    def _pull(self) -> Batch:
        self.idle = None
        batch, self._first = self._first or next(self._stream), None
        self._positions.pulled()
        segment = batch.segment
        self._handed[segment.split] += 1
        if self._positions.next is not None:
            handed = self._handed[segment.split]
            self.idle = Idle(segment, batch.number, handed, time.monotonic())
        return batch

    def _all_batches(self) -> Iterator[Batch]:
        deliveries = self._timed(self._source.deliveries())
        for segment in self.plan.segments.since(self._start.segment):
            within = segment.index == self._start.segment and self._start.batch
            start = self._start if within else Start(segment.index)
            audit = self._audit.begin(segment)
            handed, buffers = self._source.handed, self._buffers
            window = Window(deliveries, segment, handed, audit.bad, start, buffers)
            yield from self._batches_of(segment, start.batch, window, audit)
            audit.close()

    def _batches_of(
        self, segment: Segment, first: int, window: Window, audit: EpochAudit
    ) -> Iterator[Batch]:
        """The batches of `segment` from number `first` on; `_together` are made in one step."""
        last = segment.batches(self.batch_size) - 1
        numbered = islice(enumerate(batches(self.plan, segment, self.batch_size)), first, None)
        while several := list(islice(numbered, self._together)):
            rows = np.concatenate([rows for _, rows in several])
            ends = several[-1][0] == last
            taken, places = self._take(window, rows, to_its_end=ends)
            if ends:
                audit.skip(segment.dropped(self.batch_size))
            low = 0
            for number, rows in several:
                part = slice(low, low + len(rows))
                arrays = {name: array[part] for name, array in taken.items()}
                yield Batch(segment, number, self._finish(segment, places[part], arrays, audit))
                low += len(rows)

    def _take(
        self, window: Window, rows: np.ndarray, *, to_its_end: bool
    ) -> tuple[Arrays, np.ndarray]:
        """The copies of `rows`, and their places. The time for this counts as mixing."""
        began, waited = time.monotonic(), self.waited
        taken = window.take(rows, self._delivered, ahead=self._together > 1)
        if to_its_end:
            window.drain()
        self.mixing += time.monotonic() - began - (self.waited - waited)
        return taken

    def _finish(
        self, segment: Segment, places: np.ndarray, arrays: Arrays, audit: EpochAudit
    ) -> Arrays:
        """Crop the arrays of a batch, count them in the audit, and trim them."""
        if self._skipping:
            audit.skip(len(places))
            return arrays
        began = time.monotonic()
        if self._crop is not None:
            arrays = self._crop(segment, places, arrays, self._buffers)
        audit.count(places, arrays)
        self.samples += len(places)
        self.nbytes += sum(array.nbytes for array in arrays.values())
        self.until = time.monotonic()
        self.mixing += self.until - began
        return arrays if self._trim is None else self._trim(arrays)

    def _timed(self, deliveries: Iterator[Delivery]) -> Iterator[Delivery]:
        while True:
            asked = time.monotonic()
            if self.busy_since is None:
                self.busy_since = asked
            delivery = next(deliveries, None)
            if self.nbytes:  # waiting for the first lease is start-up, not a stall
                self.waited += time.monotonic() - asked
            if delivery is None:
                return
            yield delivery
