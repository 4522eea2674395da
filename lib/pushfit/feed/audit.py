"""The audit of a stream: how often each sample came, by its place in the epoch, and a hash.

The audit counts samples, not leases, so it does not rest on the bookkeeping that it checks. Back
ends read ahead, so not every sample that was fed has been trained on: `Audit.at` gives the audit
as it was at an earlier position.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import islice
from typing import Any

import msgspec
import numpy as np

from pushfit.feed.window import Arrays
from pushfit.plan.batches import Start, batches, place
from pushfit.plan.order import TRAIN, Plan, Segment

ONE = np.uint8(1)  # the counts have this type: `np.add.at` with an int is forty times slower

Rows = dict[str, list[dict[str, Any]]]  # {split: a row for each of its epochs}


class Audited(msgspec.Struct, frozen=True):
    """The audit at a position, for the checkpoint.

    rows: {split: the rows of its completed epochs}.
    bad: visits of the current segment whose record was substituted.
    chain: the hash of the current segment so far, 32 bytes; empty if nothing is hashed.
    """

    rows: dict[str, list[dict[str, Any]]] = {}
    bad: list[int] = []
    chain: bytes = b""


class EpochAudit:
    """The audit of one segment: the count of every sample, and a hash of its batches.

    The hash is a chain, so that a resumed run can continue it: h₀ is 32 zero bytes and, for the
    batches n = 1, 2, …, hₙ = SHA-256(hₙ₋₁ ‖ SHA-256(the bytes of batch n's arrays, in the task's
    order)). `stream_sha256` is the last hₙ, in hexadecimal.

    hashed: compute the hash.
    before: places of each batch that an earlier process trained on.
    bad, chain: as in `Audited`, from that process.
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
        self._skipped = 0  # samples that nobody wanted
        self._batches = 0  # counted before `_chain` begins
        for places in before:
            self._seen[places] = 1
            self._batches += 1
        self._chain = [chain or bytes(32)] if hashed else []  # after each batch since
        self._row: dict[str, Any] | None = None

    def count(self, places: np.ndarray, arrays: Arrays) -> None:
        """Count a batch.

        places: (B,) int64, the place of each of its samples, which is visit · K + patch.
        arrays: {name: (B, *shape)}.
        """
        np.add.at(self._seen, places, ONE)
        if self._chain:
            batch = hashlib.sha256()
            for array in arrays.values():
                batch.update(array.data)
            self._chain.append(hashlib.sha256(self._chain[-1] + batch.digest()).digest())

    def skip(self, places: np.ndarray) -> None:
        """The consumer has passed over the batch of the samples at `places`."""
        self._skipped += len(places)

    def chain(self, batch: int) -> bytes:
        """The hash after `batch` batches."""
        return self._chain[batch - self._batches] if self._chain else b""

    def row(self) -> dict[str, Any]:
        """One entry of report.json's `splits`.

        bad: visits whose record was substituted. skipped: samples that the consumer passed over.
        """
        if self._row is not None:
            return self._row
        return {
            "epoch": self.segment.epoch,
            "expected": self.segment.samples,
            "seen": int((self._seen > 0).sum()),
            "duplicate": int((self._seen > 1).sum()),
            "missing": int((self._seen == 0).sum()) - self._skipped,
            "skipped": self._skipped,
            "bad": len(set(self.bad)),
            "stream_sha256": self._chain[-1].hex() if self._chain and self._seen.any() else None,
        }

    def close(self) -> None:
        """End the segment: keep the row, and free the counts (one byte for each sample)."""
        self._row = self.row()
        self._seen = np.empty(0, np.uint8)

    def pass_by(self) -> None:
        """Free what a checkpoint within this segment would need, as training is beyond it."""
        self.close()
        self.bad, self._chain = [], self._chain[-1:]


class Audit:
    """The audit of a whole stream.

    start: where the stream begins.
    before: the audit at that position, if a run is resumed; None: the stream is new.
    hashed: compute the hash of the batches, too.
    """

    def __init__(
        self, plan: Plan, batch_size: int, start: Start, before: Audited | None, *, hashed: bool
    ) -> None:
        self._plan, self._batch_size, self._start = plan, batch_size, start
        self._before, self._hashed = before or Audited(), hashed
        self._epochs: list[EpochAudit] = []

    def begin(self, segment: Segment) -> EpochAudit:
        """Return a new audit for `segment`, whose batches come next."""
        epoch = EpochAudit(segment, self._hashed)
        if segment.index == self._start.segment and self._start.batch:
            known, plan = self._before, self._plan
            done = islice(batches(plan, segment, self._batch_size), self._start.batch)
            trained = (plan.places(segment, rows) for rows in done)
            epoch = EpochAudit(segment, self._hashed, trained, known.bad, known.chain)
        self._epochs.append(epoch)
        return epoch

    def rows(self) -> Rows:
        """{split: [a row for each epoch that was started]}, see `EpochAudit.row`."""
        return self._rows(list(self._epochs))

    def at(self, epoch: int, step: int, split: str = TRAIN) -> Audited:
        """The audit when `step` batches of `split` in `epoch` were used, and nothing beyond.

        Earlier positions cannot be asked for afterwards.
        """
        index, batch = place(self._plan, epoch, step, self._batch_size, split)
        rows = self._rows([each for each in self._epochs if each.segment.index < index])
        self.pass_by(index)
        if not batch:
            return Audited(rows)
        for each in self._epochs:
            if each.segment.index == index:
                return Audited(rows, sorted(set(each.bad)), each.chain(batch))
        # Nothing was fed since the position at which this process started.
        return msgspec.structs.replace(self._before, rows=rows)

    def pass_by(self, index: int) -> None:
        """Free what positions before segment `index` need, since nobody will ask for them."""
        for each in self._epochs:
            if each.segment.index < index:
                each.pass_by()

    def _rows(self, epochs: Iterable[EpochAudit]) -> Rows:
        rows = {split: list(self._before.rows.get(split, ())) for split in self._plan.splits}
        for each in epochs:
            rows[each.segment.split].append(each.row())
        return rows
