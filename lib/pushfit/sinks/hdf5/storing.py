"""What a storing sink writes, and in which order: so that a kill at any instant costs one shard.

- A shard is written when it is whole; what is known of bad records goes onto the disk before it.
- A segment's row of the audit is written when its last batch has been hashed.
- Whatever a full disk refuses is written again when there is room (`Patience`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from pushfit.feed.feed import Batch
from pushfit.feed.source import Delivery, Reference
from pushfit.plan.order import Segment
from pushfit.runs.outputs import write_text
from pushfit.sinks.hdf5.tee import Tee
from pushfit.sinks.patience import Patience
from pushfit.store import progress as progresses
from pushfit.store.layout import Store
from pushfit.store.progress import Progress
from pushfit.store.writer import Writer, put
from pushfit.streams.stream import Stream
from pushfit.text import json_line


class BadRows:
    """OUT/quarantine.jsonl, written anew when it has grown: a full disk must not end a turn of the
    exchange, which is where bad records are heard of."""

    def __init__(self, path: Path, earlier: list[dict[str, Any]]) -> None:
        self.path, self._rows, self._kept = path, list(earlier), len(earlier)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: Mapping[str, Any]) -> None:
        self._rows.append(dict(row))

    def keep(self) -> None:
        """Raises OutputError."""
        rows = list(self._rows)  # the exchange may add to it meanwhile
        rows.sort(key=lambda row: (row["epoch"], row["split"], row["path"]))  # not as they came
        if len(rows) > self._kept:
            write_text(self.path, "".join(map(json_line, rows)))
            self._kept = len(rows)


class Storing:
    """Writes what passed through `tee` into `folder`; call `took` after each batch.

    stream: of which the audit's rows and the records given up are kept.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        progress: Progress,
        tee: Tee,
        stream: Stream,
        reference: Reference,
        bad: BadRows,
        patience: Patience,
    ) -> None:
        self.folder, self.store, self.patience = folder, store, patience
        self._progress, self._tee, self._stream, self._bad = progress, tee, stream, bad
        self._paths = Paths(reference)
        # Of the segment of this index; and the record of each of its visits.
        self._writer: tuple[int, Writer, np.ndarray] | None = None
        self.shards = self.nbytes = 0  # written by this process
        self.seconds = 0.0  # spent on that, and on waiting for room

    def took(self, batch: Batch) -> None:
        began = time.monotonic()
        while self._tee.fresh:
            self._write(self._tee.fresh.popleft())
        segment, size = batch.segment, self._stream.feed.batch_size
        if batch.number == segment.batches(size) - 1:
            self._progress.rows = self._stream.feed.audit()
            self._keep()
            self._writer = None
        self.seconds += time.monotonic() - began

    def figures(self) -> dict[str, float]:
        """For the report's metrics, of this process."""
        return {
            "shards": self.shards,
            "stored_bytes": self.nbytes,
            "storing_seconds": round(self.seconds, 3),
            "paused_seconds": round(self.patience.paused, 3),
        }

    def _write(self, delivery: Delivery) -> None:
        lease = delivery.lease
        segment, form = lease.segment, self.store.splits[lease.segment.split]
        if segment.epoch >= form.epochs:
            return  # validation has the same samples in every epoch
        if self._writer is None or self._writer[0] != segment.index:
            number = lease.start // form.shard
            writer = Writer(
                self.folder, self.store, segment.split, segment.epoch, number, self._save
            )
            # The plan keeps one segment's records, and leases may be cut from the next already.
            self._writer = segment.index, writer, self._stream.feed.plan.records(segment)
        _, writer, records = self._writer
        paths = self._paths.of(segment, records[lease.start : lease.start + lease.count])
        substituted = [bad for bad in delivery.bad if bad.substituted]
        for bad in substituted:
            paths[bad.visit - lease.start] = bad.instead
        writer.add(delivery.arrays, paths, [bad.visit for bad in substituted])

    def _save(self, path: Path, data: memoryview) -> None:
        if self._progress.given_up != self._stream.given_up:
            self._keep()
        self.patience(self._bad.keep)
        self.patience(lambda: put(path, data))
        self.shards += 1
        self.nbytes += len(data)

    def _keep(self) -> None:
        self._progress.given_up = self._stream.given_up
        self.patience(self._bad.keep)
        self.patience(lambda: progresses.write(self.folder, self._progress))


class Paths:
    """Of records, as far as the data set's listing is known; else ""."""

    def __init__(self, reference: Reference) -> None:
        counts = {split: sum(reference.counts[split]) for split in sorted(reference.counts)}
        known = len(reference.listing) == sum(counts.values())
        self._listing = reference.listing if known else []
        ends = accumulate(counts.values(), initial=0)
        self._firsts = dict(zip(counts, ends, strict=False))

    def of(self, segment: Segment, records: np.ndarray) -> list[str]:
        if not self._listing:
            return [""] * len(records)
        lines = (self._listing[n] for n in (records + self._firsts[segment.split]).tolist())
        return [line.rpartition("\t")[0] for line in lines]
