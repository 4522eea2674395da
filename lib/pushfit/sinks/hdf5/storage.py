"""The folder in which a sink stores a stream, from the request for the stream to the report.

Storage.purpose ─▶ LiveStream ─▶ Storage.storing ─▶ shards, progress, store.json
                    └ a tee between dispatcher and feed, which may begin where a shard ends
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from pushfit.dispatch.bad_records import BadRecords, Limit
from pushfit.feed.audit import Audited
from pushfit.feed.source import Reference, Source
from pushfit.plan.batches import Start
from pushfit.plan.order import Plan
from pushfit.runs.quarantine import Quarantine
from pushfit.settings.programs.sink import SinkSettings
from pushfit.sinks.hdf5.resume import QUARANTINE, StoredSoFar
from pushfit.sinks.hdf5.storing import BadRows, Storing
from pushfit.sinks.hdf5.tee import Tee
from pushfit.sinks.patience import Patience
from pushfit.store import layout
from pushfit.store import progress as progresses
from pushfit.store.layout import Split, Store
from pushfit.store.progress import Progress
from pushfit.streams.purpose import Purpose, for_sink
from pushfit.streams.stream import Stream
from pushfit.tasks import compatibility
from pushfit.tasks.base import VAL, Task

log = logging.getLogger("pushfit.sink")


class Storage:
    """One sink's work in one folder.

    out: the folder.
    fixed: the settings that a stream keeps, as written on a command line.
    begun: the part of the stream that is stored already; None: nothing is.

    `bad`: the rows of the bad records, as they are listed in the folder.
    """

    def __init__(
        self,
        settings: SinkSettings,
        task: Task,
        out: Path,
        fixed: Mapping[str, str],
        begun: StoredSoFar | None,
    ) -> None:
        self.out, self.patience = out, Patience()
        self._settings, self._task = settings, task
        self._fixed, self._begun = dict(fixed), begun
        path = out / QUARANTINE
        self._earlier = Quarantine(path).earlier() if begun else []
        self.bad = BadRows(path, self._earlier)
        self._prepared: tuple[Store, Progress, Tee] | None = None  # until the data set is known
        self._storing: Storing | None = None  # until the stream is open

    def bad_records(self) -> BadRecords:
        """What the stream reports bad records to. Their rows are added to `bad`."""
        limit = Limit.parse(self._settings.max_bad)
        return BadRecords(self._note, limit, earlier=self._earlier, listed=str(self.bad.path))

    def _note(self, row: Mapping[str, Any]) -> None:
        self.bad.add(row)
        log.warning("%s on %s is bad: %s", row["path"], row["host"], row["reason"])

    def purpose(self, *, needs_data: bool) -> Purpose:
        """What the stream is opened for. needs_data: the data set must be on this machine."""
        purpose = for_sink(self._settings, self._task, needs_data=needs_data)
        purpose = replace(
            purpose,
            route=self._route,
            storing=lambda: self._storing.seconds if self._storing else 0.0,
        )
        begun = self._begun
        if begun is None:
            return purpose
        store, listing = begun.store, progresses.read_records(self.out)
        where = f"the stream that is stored in {self.out}"
        return replace(
            purpose,
            start=lambda plan: Start(begun.segment, 0, begun.visits),
            reference=Reference(
                store.classes,
                store.counts,
                store.fingerprint,
                listing,
                where,
                facts=store.facts,
                awaited=store.visiting or "",
            ),
            audited=Audited(begun.progress.rows),
            given_up=begun.progress.given_up,
        )

    def _route(self, source: Source, reference: Reference) -> tuple[Source, Reference]:
        """Put a tee between the fleet and the feed.

        First it writes the files that the folder must have before the first shard.
        """
        if self._begun is None:
            source_hash = compatibility.source_of(self._task)
            store = self._store(source.plan, reference, source_hash)
            progress = Progress(settings=self._fixed, source=source_hash)
            self.patience(lambda: progresses.write_records(self.out, reference.listing))
        else:
            store, progress = self._begun.store, self._begun.progress
        self.patience(lambda: progresses.write(self.out, progress))
        self.patience(lambda: layout.write(self.out, store))
        self._tell_size(store)
        tee = Tee(source, self.out, store)
        self._prepared = store, progress, tee
        return tee, reference

    def storing(self, stream: Stream) -> Storing:
        """The writer of what comes through `stream`, which is open."""
        if self._prepared is None:
            raise RuntimeError("the stream was not opened for this storage: see `purpose`")
        store, progress, tee = self._prepared
        self._storing = Storing(
            self.out, store, progress, tee, stream, stream.reference, self.bad, self.patience
        )
        return self._storing

    def _store(self, plan: Plan, reference: Reference, source: str) -> Store:
        settings, task = self._settings, self._task
        # Equal streams have equal names, so that their files are equal, too.
        same = msgspec.json.encode([sorted(self._fixed.items()), reference.fingerprint, source])
        return Store(
            run=hashlib.sha256(same).hexdigest()[:12],
            task=task.name,
            source=source,
            params=msgspec.to_builtins(task.params),
            seed=settings.seed,
            batch_size=settings.batch_size,
            mix_visits=settings.mix_visits,
            classes=reference.classes,
            counts=reference.counts,
            fingerprint=reference.fingerprint,
            arrays=task.arrays(),
            splits={
                segment.split: Split.sized(
                    segment.visits,
                    segment.patches,
                    1 if segment.split == VAL else settings.epochs,
                    segment.sample_bytes,
                )
                for segment in plan.segments.epoch
            },
            compress=settings.hdf5_filter,
            facts=reference.facts,
            visiting=reference.visiting.digest or UNSET,
        )

    def _tell_size(self, store: Store) -> None:
        each = (form.visits * form.patches * form.epochs for form in store.splits.values())
        left = max(0, sum(each) * store.sample_bytes - self.nbytes())
        free = shutil.disk_usage(self.out).free
        if not left:
            return
        say = log.warning if left > free and store.compress == "none" else log.info
        say("storing %.2f GB in %s, where %.2f GB are free", left / 1e9, self.out, free / 1e9)

    def report(self, stream: Stream, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """The content of report.json: that of `stream`, with what was stored.

        metrics: figures of this process, which are added to it.
        """
        figures = self._storing.figures() if self._storing else {}
        run = {"run": self._prepared[0].run} if self._prepared else {}
        return stream.report({**metrics, **figures}) | run

    def nbytes(self) -> int:
        """Bytes of the shards in the folder."""
        return sum(path.stat().st_size for path in layout.shard_paths(self.out))
