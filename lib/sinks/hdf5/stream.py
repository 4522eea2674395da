"""The stream of a storing sink: a `Stream` with a tee in it, that may begin where a shard ends."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from cfg.base import SinkSettings
from lib.observe.advisor import Load
from lib.plan.batches import Start
from lib.plan.order import Plan
from lib.sinks.hdf5.begun import QUARANTINE, Begun
from lib.sinks.hdf5.storing import BadRows, Storing
from lib.sinks.hdf5.tee import Tee
from lib.sinks.patience import Patience
from lib.store import layout
from lib.store import progress as progresses
from lib.store.layout import Split, Store
from lib.store.progress import Progress
from lib.tasks import identity
from lib.tasks.base import VAL
from lib.trainer.feed import Audited
from lib.trainer.quarantine import Quarantine
from lib.trainer.roster import Reference
from lib.trainer.source import Source
from lib.trainer.stream import Stream

log = logging.getLogger("pushfit.sink")


class StoringStream(Stream):
    """out: the folder; fixed: settings that a stream keeps; begun: what is stored of it already.

    `storing` is there once the data set is known.
    """

    settings: SinkSettings

    def __init__(
        self,
        settings: SinkSettings,
        params: msgspec.Struct,
        out: Path,
        fixed: Mapping[str, str],
        begun: Begun | None,
        *,
        needs_data: bool,
    ) -> None:
        self.out, self._fixed, self._begun = out, dict(fixed), begun
        self.patience = Patience()
        path = out / QUARANTINE
        earlier = Quarantine(path).earlier() if begun else []
        self.bad = BadRows(path, earlier)
        self.storing: Storing | None = None
        super().__init__(
            settings,
            params,
            needs_data=needs_data,
            quarantine=self._note,
            earlier=earlier,
            listed=str(path),
        )
        self._given_up_before = begun.progress.given_up if begun else []

    def _note(self, row: Mapping[str, Any]) -> None:
        self.bad.add(row)
        log.warning("%s on %s is bad: %s", row["path"], row["host"], row["reason"])

    def _start(self, plan: Plan) -> Start:
        return Start(self._begun.segment, 0, self._begun.visits) if self._begun else Start()

    def _audited(self) -> Audited | None:
        return Audited(self._begun.progress.rows) if self._begun else None

    def _reference(self) -> Reference | None:
        if self._begun is None:
            return None
        store, listing = self._begun.store, progresses.read_records(self.out)
        where = f"the stream that is stored in {self.out}"
        return Reference(store.classes, store.counts, store.fingerprint, listing, where)

    def _begin(self, source: Source, reference: Reference) -> None:
        source_hash = identity.source_with(self.task.source)
        if self._begun is None:
            store = self._store(source.plan, reference, source_hash)
            progress = Progress(settings=self._fixed, source=source_hash)
            self.patience(lambda: progresses.write_records(self.out, reference.listing))
        else:
            store, progress = self._begun.store, self._begun.progress
        self.run = store.run
        self.patience(lambda: progresses.write(self.out, progress))
        self.patience(lambda: layout.write(self.out, store))
        self._tell_size(store)
        tee = Tee(source, self.out, store)
        super()._begin(tee, reference)
        self.storing = Storing(
            self.out, store, progress, tee, self, reference, self.bad, self.patience
        )

    def _store(self, plan: Plan, reference: Reference, source: str) -> Store:
        settings = self.settings
        # Equal streams have equal names, so that their files are equal, too.
        same = msgspec.json.encode([sorted(self._fixed.items()), reference.fingerprint, source])
        return Store(
            run=hashlib.sha256(same).hexdigest()[:12],
            task=self.task.name,
            source=source,
            params=msgspec.to_builtins(self.task.params),
            seed=settings.seed,
            batch_size=settings.batch_size,
            mix_visits=settings.mix_visits,
            classes=reference.classes,
            counts=reference.counts,
            fingerprint=reference.fingerprint,
            arrays=self.task.arrays(),
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
        )

    def _load(self, now: float) -> Load:
        assert self.storing is not None
        return replace(super()._load(now), storing=self.storing.seconds)

    def _tell_size(self, store: Store) -> None:
        each = (form.visits * form.patches * form.epochs for form in store.splits.values())
        left = max(0, sum(each) * store.sample_bytes - self.stored_bytes())
        free = shutil.disk_usage(self.out).free
        if not left:
            return
        say = log.warning if left > free and store.compress == "none" else log.info
        say("storing %.2f GB in %s, where %.2f GB are free", left / 1e9, self.out, free / 1e9)

    def stored_bytes(self) -> int:
        """Of the shards in the folder."""
        return sum(path.stat().st_size for path in layout.shard_paths(self.out))
