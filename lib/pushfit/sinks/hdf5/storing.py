"""What a storing sink writes, and in which order: a kill at any moment costs one shard at most.

- A shard is written when it is complete. The bad records known so far are written before it.
- A segment's row of the audit is written when its last batch has been hashed.
- A write that fails because the disk is full is repeated when there is room (`Patience`).
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
    """The rows of OUT/quarantine.jsonl. Only `keep` writes them.

    The exchange adds rows in its turns, which a full disk must not end.
    """

    def __init__(self, path: Path, earlier: list[dict[str, Any]]) -> None:
        self.path, self._rows, self._kept = path, list(earlier), len(earlier)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: Mapping[str, Any]) -> None:
        self._rows.append(dict(row))

    def keep(self) -> None:
        """Write the file anew if there are new rows. Raises OutputError."""
        rows = list(self._rows)  # a copy, since the exchange may add rows meanwhile
        rows.sort(key=lambda row: (row["epoch"], row["split"], row["path"]))  # equal for any fleet
        if len(rows) > self._kept:
            write_text(self.path, "".join(map(json_line, rows)))
            self._kept = len(rows)


class Storing:
    """Writes what passed through `tee` into `folder`. Call `took` after each batch.

    stream: the stream, whose rows of the audit and records given up are stored as well.
    shards, nbytes: what this process has written.
    seconds: the time spent on that, and on waiting for room.
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
        # (index of a segment, its writer, the record of each of its visits)
        self._writer: tuple[int, Writer, np.ndarray] | None = None
        self.shards = self.nbytes = 0
        self.seconds = 0.0

    def took(self, batch: Batch) -> None:
        """Write the deliveries that came since the last call. batch: the one just taken."""
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
        """The figures of this process, for the metrics of the report."""
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
            # The records are kept here, as the plan keeps those of one segment, and leases may be
            # cut from the next segment already.
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
    """The paths of records; ``""`` each if the listing of the data set is not known."""

    def __init__(self, reference: Reference) -> None:
        counts = {split: sum(reference.counts[split]) for split in sorted(reference.counts)}
        known = len(reference.listing) == sum(counts.values())
        self._listing = reference.listing if known else []
        ends = accumulate(counts.values(), initial=0)
        self._firsts = dict(zip(counts, ends, strict=False))

    def of(self, segment: Segment, records: np.ndarray) -> list[str]:
        """The paths of `records` (n,) of the split of `segment`."""
        if not self._listing:
            return [""] * len(records)
        lines = (self._listing[n] for n in (records + self._firsts[segment.split]).tolist())
        return [line.rpartition("\t")[0] for line in lines]
