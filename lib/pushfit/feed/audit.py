"""The audit of a stream: how often each sample came, by its place in the epoch, and a hash.

The audit counts samples, not leases, so it does not rest on the bookkeeping that it checks. Back
ends read ahead, so not every sample that was fed has been trained on: `Audit.at` gives the audit
as it was at an earlier position.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import msgspec
import numpy as np

from pushfit.feed.window import Arrays
from pushfit.observe.shard_rows import audit_of_ranks, parts_of, total
from pushfit.plan.batches import Start, batches, place
from pushfit.plan.order import TRAIN, Plan, Segment
from pushfit.plan.shards import WHOLE, Shards

ONE = np.uint8(1)  # the counts have this type: `np.add.at` with an int is forty times slower

Rows = dict[str, list[dict[str, Any]]]  # {split: a row for each of its epochs}


class Audited(msgspec.Struct, frozen=True):
    """The audit at a position, for the checkpoint.

    rows: {split: the rows of its completed epochs}.
    bad: visits of the current epoch whose record was substituted.
    chain: the hash of the current segment so far, 32 bytes; empty if nothing is hashed, or if the
        stream has several shards.
    chains: (shard, hash of the current segment so far) of each shard of this trainer, if the stream
        has several.
    """

    rows: dict[str, list[dict[str, Any]]] = {}
    bad: list[int] = []
    chain: bytes = b""
    chains: list[tuple[int, bytes]] = []

    @staticmethod
    def of_ranks(each: Sequence[Audited]) -> Audited:
        """What is known of a stream of several shards, from its trainers at one position."""
        rows = audit_of_ranks([{"splits": one.rows} for one in each])
        bad = sorted({visit for one in each for visit in one.bad})
        chains = dict(pair for one in each for pair in one.chains)
        return Audited(rows, bad, b"", sorted(chains.items()))

    def rows_of(self, shards: Shards) -> Rows:
        """The rows of this trainer; those of epochs of which a shard is not known are left out."""
        if shards.count == 1:
            return {split: list(rows) for split, rows in self.rows.items()}
        found: Rows = {}
        for split, rows in self.rows.items():
            found[split] = []
            for row in rows:
                parts = [part for part in parts_of(row) if part["shard"] in shards.held]
                if len(parts) == shards.each:
                    found[split].append(total(row["epoch"], parts))
        return found


class EpochAudit:
    """The audit of one segment: the count of every sample, and a hash of its batches.

    The hash is a chain, so that a resumed run can continue it: h₀ is 32 zero bytes and, for the
    batches n = 1, 2, …, hₙ = SHA-256(hₙ₋₁ ‖ SHA-256(the bytes of batch n's arrays, in the task's
    order)). `stream_sha256` is the last hₙ, in hexadecimal. If the stream has several shards, each
    has a chain of its own, over its part of every batch.

    hashed: compute the hash.
    before: places of each batch that an earlier process trained on.
    known: what is known from that process; None: the segment is new.
    shards: those of this trainer.
    padding: for each of them, how many of its visits are padding.
    """

    def __init__(
        self,
        segment: Segment,
        hashed: bool,
        before: Iterable[np.ndarray] = (),
        known: Audited | None = None,
        shards: Shards = WHOLE,
        padding: Sequence[int] = (0,),
    ) -> None:
        self.segment, self._shards, self._padding = segment, shards, padding
        bad = [shards.own(visit) for visit in known.bad] if known else []
        self.bad = [visit for visit in bad if visit is not None]  # their record was substituted
        self._seen = np.zeros(segment.samples, np.uint8)
        self._skipped = 0  # samples that nobody wanted, of all shards of this trainer
        self._batches = 0  # counted before `_chains` begin
        for places in before:
            self._seen[places] = 1
            self._batches += 1
        # For each shard, the hash after each batch since; it is empty where it cannot be known.
        self._chains: list[list[bytes]] = [[] for _ in shards.held]
        if hashed:
            self._chains = [_begun(known, shards, number) for number in shards.held]
        self._row: dict[str, Any] | None = None

    def count(self, places: np.ndarray, arrays: Arrays) -> None:
        """Count a batch.

        places: (B,) int64, the place of each of its samples, which is visit · K + patch.
        arrays: {name: (B, *shape)}.
        """
        np.add.at(self._seen, places, ONE)
        rows = len(places) // self._shards.each
        for part, chain in enumerate(self._chains):
            if chain:
                batch = hashlib.sha256()
                for array in arrays.values():
                    batch.update(array[part * rows : (part + 1) * rows].data)
                chain.append(hashlib.sha256(chain[-1] + batch.digest()).digest())

    def skip(self, samples: int) -> None:
        """Count samples that come in no batch, or in one that the consumer has passed over."""
        self._skipped += samples

    def at(self, batch: int) -> Audited:
        """What a process that continues after `batch` batches has to know."""
        bad = sorted({self._shards.visit(visit) for visit in self.bad})
        done = batch - self._batches
        if self._shards.count == 1:
            (chain,) = self._chains
            return Audited({}, bad, chain[done] if chain else b"")
        pairs = zip(self._shards.held, self._chains, strict=True)
        return Audited({}, bad, b"", [(number, chain[done]) for number, chain in pairs if chain])

    def row(self) -> dict[str, Any]:
        """One entry of report.json's `splits`.

        bad: visits whose record was substituted. skipped: samples that the consumer passed over, or
        that did not fill a batch and were dropped.
        padding: if the stream has several shards, samples beyond the epoch's own, as `Shards` says.
        shards: then these figures for each shard of this trainer.
        """
        if self._row is not None:
            return self._row
        if self._shards.count == 1:
            return {"epoch": self.segment.epoch, **self._figures(0)}
        held = enumerate(self._shards.held)
        parts = [{"shard": number, **self._figures(place)} for place, number in held]
        for part, visits in zip(parts, self._padding, strict=True):
            part["padding"] = visits * self.segment.patches
        return total(self.segment.epoch, parts)

    def _figures(self, place: int) -> dict[str, Any]:
        """The figures of the shard at `place` of this trainer."""
        each, chain = self._shards.each, self._chains[place]
        seen = self._seen.reshape(-1, each, self.segment.patches)[:, place]
        skipped = self._skipped // each
        return {
            "expected": self.segment.samples // each,
            "seen": int((seen > 0).sum()),
            "duplicate": int((seen > 1).sum()),
            "missing": int((seen == 0).sum()) - skipped,
            "skipped": skipped,
            "bad": len({visit for visit in self.bad if visit % each == place}),
            "stream_sha256": chain[-1].hex() if chain and seen.any() else None,
        }

    def close(self) -> None:
        """End the segment: keep the row, and free the counts (one byte for each sample)."""
        self._row = self.row()
        self._seen = np.empty(0, np.uint8)

    def pass_by(self) -> None:
        """Free what a checkpoint within this segment would need, as training is beyond it."""
        self.close()
        self.bad, self._chains = [], [chain[-1:] for chain in self._chains]


def _begun(known: Audited | None, shards: Shards, number: int) -> list[bytes]:
    """The hash of shard `number` so far; empty: another trainer had it, and did not tell."""
    if known is None:
        return [bytes(32)]
    if shards.count == 1:
        return [known.chain or bytes(32)]
    return [chain for shard, chain in known.chains if shard == number]


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
        plan, known = self._plan, None
        trained: Iterable[np.ndarray] = ()
        if segment.index == self._start.segment and self._start.batch:
            known = self._before
            done = islice(batches(plan, segment, self._batch_size), self._start.batch)
            trained = (plan.places(segment, rows) for rows in done)
        padding = plan.shards.padding(plan.splits[segment.split].visits)
        epoch = EpochAudit(segment, self._hashed, trained, known, plan.shards, padding)
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
                return msgspec.structs.replace(each.at(batch), rows=rows)
        # Nothing was fed since the position at which this process started.
        return msgspec.structs.replace(self._before, rows=rows)

    def pass_by(self, index: int) -> None:
        """Free what positions before segment `index` need, since nobody will ask for them."""
        for each in self._epochs:
            if each.segment.index < index:
                each.pass_by()

    def _rows(self, epochs: Iterable[EpochAudit]) -> Rows:
        before = self._before.rows_of(self._plan.shards)
        rows = {split: list(before.get(split, ())) for split in self._plan.splits}
        for each in epochs:
            rows[each.segment.split].append(each.row())
        return rows
