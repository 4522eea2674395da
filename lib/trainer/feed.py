"""From leases to what `fit` takes: mix, batch, account, hash.

    Source.deliveries ─▶ visits ─▶ mix (plan.mixed) ─▶ batches of B ─▶ fit

- The stream is one sequence over all segments (train 0, val 0, train 1, …). Keras pulls training
  and validation by two iterators and reads ahead in threads of its own; each waits here until the
  sequence has come to its split. So nothing is read ahead over the end of an epoch, nor lost.
- `Window` makes the one copy there is: from ZeroMQ's receive buffer into the batch.
- The audit counts samples by their place in the epoch, not leases: what it says does not rest on
  the bookkeeping that it checks.
- A stream may begin anywhere (`plan.batches.Start`). Keras reads ahead, so what was fed is not yet
  what was trained: `audited` tells the audit as it was at an earlier position.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import Any

import msgspec
import numpy as np

from lib.errors import StreamClosed
from lib.observe.steps import Steps
from lib.plan.batches import Start, batches, place
from lib.plan.order import Plan, Segment
from lib.tasks.base import ArraySpec
from lib.trainer.buffers import Buffers
from lib.trainer.exchange import Delivery
from lib.trainer.source import Source
from lib.trainer.window import Arrays, Window

PATIENCE_SECONDS = 60.0  # without a batch pulled, before a likely deadlock is named

ONE = np.uint8(1)  # of the counts' own type: `np.add.at` with a Python int is forty times slower

log = logging.getLogger("pushfit.trainer")


class Batch(msgspec.Struct, frozen=True, eq=False):
    """Samples of one segment. arrays: {name: (B, *shape)}; the last of a segment may be smaller."""

    segment: Segment
    number: int
    arrays: Arrays


class Audited(msgspec.Struct, frozen=True):
    """The audit at a position, for the checkpoint.

    rows: {split: the rows of its epochs before}; bad, chain: of the segment that it stands in.
    """

    rows: dict[str, list[dict[str, Any]]] = {}
    bad: list[int] = []
    chain: bytes = b""


class EpochAudit:
    """What came of one segment: every sample's count, and a hash of its batches.

    The hash is a chain, so that a resumed run can go on with it: h₀ is 32 zero bytes and, for the
    batches n = 1, 2, …, hₙ = SHA-256(hₙ₋₁ ‖ SHA-256(the bytes of batch n's arrays, in the task's
    order)). `stream_sha256` is the last hₙ, in hexadecimal.

    before: places of the batches that an earlier process trained on; bad, chain: as it left them.
    """

    def __init__(
        self,
        segment: Segment,
        hashed: bool,
        before: Iterable[np.ndarray] = (),
        bad: Iterable[int] = (),
        chain: bytes = b"",
    ) -> None:
        self.segment, self.bad = segment, list(bad)  # bad: visits whose record was substituted
        self._seen = np.zeros(segment.samples, np.uint8)
        self._batches = 0  # counted before `_chain` begins
        for places in before:
            self._seen[places] = 1
            self._batches += 1
        self._chain = [chain or bytes(32)] if hashed else []  # after each batch since
        self._row: dict[str, Any] | None = None

    def count(self, places: np.ndarray, arrays: Arrays) -> None:
        """A batch was made of the samples at `places` (visit · K + patch) of this segment."""
        np.add.at(self._seen, places, ONE)
        if self._chain:
            batch = hashlib.sha256()
            for array in arrays.values():
                batch.update(array.data)
            self._chain.append(hashlib.sha256(self._chain[-1] + batch.digest()).digest())

    def chain(self, batch: int) -> bytes:
        """The hash after `batch` batches."""
        return self._chain[batch - self._batches] if self._chain else b""

    def row(self) -> dict[str, Any]:
        """One entry of report.json's `splits`. bad: visits whose record was substituted."""
        if self._row is not None:
            return self._row
        return {
            "epoch": self.segment.epoch,
            "expected": self.segment.samples,
            "seen": int((self._seen > 0).sum()),
            "duplicate": int((self._seen > 1).sum()),
            "missing": int((self._seen == 0).sum()),
            "bad": len(set(self.bad)),
            "stream_sha256": self._chain[-1].hex() if self._chain else None,
        }

    def close(self) -> None:
        """Nothing more will come: keep the row, let the counts go (a byte a sample)."""
        self._row = self.row()
        self._seen = np.empty(0, np.uint8)

    def pass_by(self) -> None:
        """Training has passed this segment: let go what a checkpoint within it would need."""
        self.close()
        self.bad, self._chain = [], self._chain[-1:]


class Feed:
    """Batches of a run. `batches(split)` may be used by one thread for each split.

    before: the audit at the stream's start, of a run that is resumed.
    at_once: bytes; as many batches are made in one go. More than one would wait for samples that
        the first does not need: it is for a source that never waits.
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
    ) -> None:
        self.plan: Plan = source.plan
        self.specs, self.batch_size, self.hashed = specs, batch_size, hashed
        self._source = source
        self._start, self._before = source.start_at, before or Audited()
        self._audits: list[EpochAudit] = []
        batch_bytes = batch_size * sum(spec.nbytes for spec in specs)
        self._together = max(1, at_once // batch_bytes)  # batches that are made at once
        self._stream = self._all_batches()
        self._first: Batch | None = None
        self._turn = threading.Condition()
        each = [segment.batches(batch_size) for segment in self.plan.segments.epoch]
        self._ends = np.cumsum(each)  # batches of an epoch up to the end of each of its segments
        self._pulled = self._start.batch  # batches of the whole run pulled so far
        if self._start.segment:
            epochs, segments = divmod(self._start.segment, len(each))
            self._pulled += epochs * sum(each) + sum(each[:segments])
        self._closed = False
        self._complained = 0.0
        self.step_times = Steps()
        self.mixing = 0.0  # seconds in which batches were made
        self.waited = 0.0  # seconds in which no delivery was there when one was wanted
        self.samples = self.nbytes = 0  # handed on so far
        self.busy_since: float | None = None  # when the first batch was asked for
        self.until = 0.0  # when the last batch was handed on

    def steps(self, split: str) -> int:
        """Batches in an epoch of `split`; 0 where there is no such split."""
        same = (s for s in self.plan.segments.epoch if s.split == split)
        return next((segment.batches(self.batch_size) for segment in same), 0)

    def batches(self, split: str) -> Iterator[Batch]:
        """The next batches of `split`, over all epochs, until the run ends or the feed closes."""
        while True:
            self.step_times.asked(split, time.monotonic())
            with self._turn:
                while not self._closed and (turn := self._current()) is not None and turn != split:
                    self._turn.wait(1.0)
                    self._complain(split, turn)
                if self._closed or turn is None:
                    return
                try:
                    batch = self._pull()
                except StreamClosed:
                    return
                self._turn.notify_all()
            samples = len(next(iter(batch.arrays.values())))
            self.step_times.handed(split, samples, time.monotonic())
            yield batch

    def all(self) -> Iterator[Batch]:
        """Every batch of the run, in order: for a sink, which takes all splits alike."""
        while self._current() is not None:
            yield self._pull()

    def close(self) -> None:
        """Let whoever still waits for a batch go. The source must be closed first."""
        self._closed = True
        with self._turn:
            self._turn.notify_all()

    def audit(self) -> dict[str, list[dict[str, Any]]]:
        """{split: [a row for each epoch begun]}, see `EpochAudit.row`."""
        return self._rows(list(self._audits))

    def audited(self, epoch: int, step: int) -> Audited:
        """The audit when `step` batches of `epoch` were trained on, and nothing beyond."""
        index, batch = place(self.plan, epoch, step, self.batch_size)
        done = [audit for audit in self._audits if audit.segment.index < index]
        rows = self._rows(done)
        self.pass_by(index)
        for audit in self._audits:
            if batch and audit.segment.index == index:
                return Audited(rows, sorted(set(audit.bad)), audit.chain(batch))
        if batch:  # nothing was fed since the position that this process began at
            return msgspec.structs.replace(self._before, rows=rows)
        return Audited(rows)

    def pass_by(self, index: int) -> None:
        """No position before segment `index` will be asked for: what one would need is let go."""
        for audit in self._audits:
            if audit.segment.index < index:
                audit.pass_by()

    def _rows(self, audits: list[EpochAudit]) -> dict[str, list[dict[str, Any]]]:
        splits = {split: list(self._before.rows.get(split, ())) for split in self.plan.splits}
        for audit in audits:
            splits[audit.segment.split].append(audit.row())
        return splits

    def figures(self) -> dict[str, float]:
        """Over the run so far: patches and bytes a second, and the share of time spent waiting."""
        elapsed = self.until - self.busy_since if self.busy_since is not None else 0.0
        per = 1 / elapsed if elapsed > 0 else 0.0
        return {
            "patches_per_second": self.samples * per,
            "bytes_per_second": self.nbytes * per,
            "stall_share": min(1.0, self.waited * per),
        }

    def first(self) -> Batch:
        """The run's first batch, to look at; it is handed on all the same."""
        with self._turn:
            if self._first is None:
                self._first = next(self._stream)
            return self._first

    # -- inside -----------------------------------------------------------------------------------

    def _complain(self, split: str, turn: str) -> None:
        """Say so when `split` is wanted, it is the turn of `turn`, and nobody takes any of that."""
        if self.until and time.monotonic() - max(self.until, self._complained) > PATIENCE_SECONDS:
            self._complained = time.monotonic()
            log.warning(
                "%s wants its next batch, but the run stands at %s, of which nothing was taken for "
                "%.0f s: does the training loop validate after every epoch?",
                *(split, turn, time.monotonic() - self.until),
            )

    def _pull(self) -> Batch:
        batch, self._first = self._first or next(self._stream), None
        self._pulled += 1
        return batch

    def _current(self) -> str | None:
        epoch, batch = divmod(self._pulled, int(self._ends[-1]))
        kinds = self.plan.segments.epoch
        if epoch * len(kinds) >= len(self.plan.segments):
            return None
        return kinds[int(np.searchsorted(self._ends, batch, side="right"))].split

    def _all_batches(self) -> Iterator[Batch]:
        deliveries, buffers = self._timed(self._source.deliveries()), Buffers()
        for segment in self.plan.segments.since(self._start.segment):
            start = Start(segment.index)
            audit = EpochAudit(segment, self.hashed)
            numbered = enumerate(batches(self.plan, segment, self.batch_size))
            if segment.index == self._start.segment and self._start.batch:
                start, known = self._start, self._before
                done = islice(numbered, start.batch)
                trained = (self.plan.places(segment, rows) for _, rows in done)
                audit = EpochAudit(segment, self.hashed, trained, known.bad, known.chain)
            self._audits.append(audit)
            window = Window(deliveries, segment, self._source.handed, audit.bad, start, buffers)
            last = segment.batches(self.batch_size) - 1
            while several := list(islice(numbered, self._together)):
                began, waited = time.monotonic(), self.waited
                rows = np.concatenate([rows for _, rows in several])
                taken, places = window.take(rows, self.specs, ahead=self._together > 1)
                if several[-1][0] == last:
                    window.drain()
                self.mixing += time.monotonic() - began - (self.waited - waited)
                for low, (number, rows) in zip(count(0, self.batch_size), several, strict=False):
                    began, part = time.monotonic(), slice(low, low + len(rows))
                    arrays = {name: array[part] for name, array in taken.items()}
                    audit.count(places[part], arrays)
                    self.samples += len(rows)
                    self.nbytes += len(rows) * segment.sample_bytes
                    self.until = time.monotonic()
                    self.mixing += self.until - began
                    yield Batch(segment, number, arrays)
            audit.close()

    def _timed(self, deliveries: Iterator[Delivery]) -> Iterator[Delivery]:
        while True:
            asked = time.monotonic()
            if self.busy_since is None:
                self.busy_since = asked
            delivery = next(deliveries, None)
            if self.nbytes:  # the first lease's way is start-up, not stall
                self.waited += time.monotonic() - asked
            if delivery is None:
                return
            yield delivery
