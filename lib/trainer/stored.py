"""A stream that is stored, opened: what `train_zmq.py --from DIR` trains on.

    settings ─▶ StoredStream ─▶ .feed.batches("train"), .feed.batches("val")

No socket, no generator, no data set: only the folder, held against the settings before anything is
begun. Which epochs come how is the plan's affair (`lib/plan/replay.py`).
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from types import TracebackType

import msgspec

from cfg.base import TrainSettings
from lib import tasks
from lib.errors import ConfigError, DataError
from lib.observe.advisor import Load
from lib.plan.replay import ReplayPlan, StoredOrder
from lib.store import layout
from lib.tasks import checks, identity
from lib.tasks.base import TRAIN, VAL, ArraySpec
from lib.trainer.opened import Opened
from lib.trainer.replay import Part, Replay
from lib.trainer.roster import Reference
from lib.trainer.state import State

AT_ONCE = 8 * 2**20  # bytes: a batch of small samples takes as long to prepare as to copy

log = logging.getLogger("pushfit.trainer")


class StoredStream(Opened):
    """before: the run that is resumed. Raises ConfigError and DataError."""

    settings: TrainSettings
    at_once = AT_ONCE

    def __init__(
        self, settings: TrainSettings, params: msgspec.Struct, before: State | None = None
    ) -> None:
        self.settings, self.before = settings, before
        self.run = before.run if before else os.urandom(6).hex()
        self.task = tasks.load(settings.task)(params)
        checks.declaration(self.task)
        self._folder = Path(settings.from_)
        self._store = layout.read(self._folder)
        self._compare(params)
        if TRAIN not in self._store.splits:
            there = ", ".join(self._store.splits)
            raise DataError(f"{self._folder} holds no samples to train on, only {there}")
        parts = {TRAIN: Part(self._folder, self._store, TRAIN)}
        if (held_out := self._held_out()) is not None:
            parts[VAL] = held_out
        for part in parts.values():
            _check_whole(part)
        self._reference = self._refer(parts)
        plan = ReplayPlan(
            settings.seed,
            settings.epochs,
            {split: _order(part, fresh=split == TRAIN) for split, part in parts.items()},
            self._store.sample_bytes,
            settings.mix_visits,
        )
        self._replay = Replay(plan, self._start(plan), parts)
        self._replay.look()

    def _compare(self, params: msgspec.Struct) -> None:
        store, task = self._store, self.task
        try:
            same = msgspec.convert(store.params, type(params)) == params
        except msgspec.ValidationError:
            same = False
        if store.task != task.name or not same:
            raise DataError(
                f"{self._folder}: config.json speaks of {task.name} with {params}, {layout.STORE} "
                f"of {store.task} with {store.params}: bring back the files as the sink has "
                "written them there"
            )
        if task.arrays() != store.arrays:
            raise DataError(
                f"the samples in {self._folder} are {_shown(store.arrays)}, and the task "
                f"{task.name} makes {_shown(task.arrays())} now: train with the version of the "
                "task that they were stored with, or store them again"
            )
        if identity.source_with(task.source) != store.source:
            log.info(
                "the task %s has changed since %s was stored: the samples are as they were then",
                task.name,
                self._folder,
            )

    def _held_out(self) -> Part | None:
        """Where the samples to validate on are, if there are any."""
        if not self.settings.val_from:
            if VAL not in self._store.splits:
                return None
            return Part(self._folder, self._store, VAL, 1)
        folder = Path(self.settings.val_from)
        store = layout.read(folder)
        if store.arrays != self._store.arrays:
            raise ConfigError(
                f"--val-from {folder}: its samples are {_shown(store.arrays)}, and those of "
                f"--from {self._folder} are {_shown(self._store.arrays)}: one model cannot take "
                "both"
            )
        if store.classes != self._store.classes:
            here, there = set(self._store.classes), set(store.classes)
            raise ConfigError(
                f"--val-from {folder}: its classes are not those of --from {self._folder}: only "
                f"there {sorted(there - here)[:5]}, only here {sorted(here - there)[:5]}"
            )
        return Part(folder, store, VAL if VAL in store.splits else TRAIN, 1)

    def _refer(self, parts: dict[str, Part]) -> Reference:
        """What a run that is resumed must find again: what is stored, wherever it is now."""
        digest = hashlib.sha256()
        for split, part in sorted(parts.items()):
            same = msgspec.structs.replace(part.store, run="", compress="none")
            digest.update(msgspec.msgpack.encode((split, part.split, same)))
        store, found = self._store, digest.hexdigest()
        if self.before is not None and self.before.fingerprint != found:
            raise DataError(
                f"{self._folder} is not what the run was started on"
                + (f" (or {self.settings.val_from} is not)" if self.settings.val_from else "")
                + ": give --from and --val-from as they were then, or start a new run in another "
                "--out"
            )
        return Reference(store.classes, store.counts, found, [], str(self._folder))

    def __enter__(self) -> StoredStream:
        store, again = self._store, self.settings.epochs - self._store.splits[TRAIN].epochs
        form = store.splits[TRAIN]
        log.info(
            "training from %s: %d stored epoch(s) of %s samples%s",
            self._folder,
            form.epochs,
            f"{form.visits * form.patches:,}",
            f", which come {again} more time(s) in other orders" if again > 0 else "",
        )
        self._begin(self._replay, self._reference)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._replay.close()
        if hasattr(self, "feed"):
            self.feed.close()

    def _load(self, now: float) -> Load:
        feed, steps = self.feed, self.feed.step_times
        return Load(
            now=now,
            samples=feed.samples,
            starved=feed.waited,
            mixing=feed.mixing,
            hosts={},
            waited=steps.waited,
            busy=steps.busy,
            stepped=steps.samples,
            stored=True,
        )


def _order(part: Part, *, fresh: bool) -> StoredOrder:
    form = part.form
    return StoredOrder.of(form.visits, form.patches, form.epochs, form.group, fresh=fresh)


def _check_whole(part: Part) -> None:
    """Raises DataError where files are missing."""
    if missing := part.missing():
        count = sum(1 for _ in part.shards)
        raise DataError(
            f"{part.folder} is not whole: of the {count:,} files of its split {part.split} "
            f"{len(missing):,} are missing, first {missing[0].name}. Bring them back if they were "
            f"moved; else python sink_zmq.py --resume --out {part.folder} makes them, and "
            "goes on to the end"
        )


def _shown(arrays: tuple[ArraySpec, ...]) -> str:
    return ", ".join(f"{spec.name} {spec.dtype} {spec.shape}" for spec in arrays)
