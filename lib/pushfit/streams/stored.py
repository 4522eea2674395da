"""A stream from a folder of HDF5 files, on which `train_zmq.py --from DIR` trains.

    settings ─▶ StoredStream ─▶ .feed.batches("train"), .feed.batches("val")

It needs no socket, no generator and no data set. The folder is compared with the settings before
anything is started. The plan says how each epoch is read (`pushfit/plan/replay.py`).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection
from pathlib import Path

import msgspec

from pushfit.errors import ConfigError, DataError
from pushfit.feed.crop import Crop
from pushfit.feed.feed import Feed
from pushfit.feed.source import Reference
from pushfit.installation import typed
from pushfit.observe.advisor import Load
from pushfit.plan.replay import ReplayPlan, StoredOrder
from pushfit.runs.stream_state import StreamState
from pushfit.settings.stored import StoredSettings
from pushfit.store import layout
from pushfit.store.layout import Store
from pushfit.streams.flow import Flow
from pushfit.streams.purpose import new_run, resumed_at
from pushfit.streams.replay import Part, Replay
from pushfit.streams.stream import Stream
from pushfit.streams.whole_batches import check_filled
from pushfit.tasks import checks, compatibility
from pushfit.tasks.base import TRAIN, VAL, ArraySpec, Task

AT_ONCE = 8 * 2**20  # bytes of batches made in one step, as each step has its own cost

log = logging.getLogger("pushfit.trainer")


class StoredStream(Stream):
    """before: where the run stands that is resumed; None: a new run.

    splits: those that are read; empty: every split that there is.
    Raises ConfigError and DataError.
    """

    def __init__(
        self,
        settings: StoredSettings,
        task: Task,
        before: StreamState | None = None,
        splits: Collection[str] = (),
    ) -> None:
        self._folder = Path(settings.from_)
        self._store = store = layout.read(self._folder)
        check_task(store, task, self._folder)
        if TRAIN not in store.splits:
            there = ", ".join(store.splits)
            raise DataError(
                f"{self._folder} holds no samples to train on, only {there}: give --from with a "
                "folder that has some"
            )
        parts = {TRAIN: Part(self._folder, store, TRAIN)}
        if (held_out := held_out_part(settings, store)) is not None:
            parts[VAL] = held_out
        if splits:
            parts = {split: parts[split] for split in parts if split in splits}
        if missing := set(splits) - parts.keys():
            raise DataError(f"{self._folder} holds no samples of the split {missing.pop()}")
        for part in parts.values():
            check_whole(part)
        if settings.drop_last and TRAIN in parts:
            form = parts[TRAIN].form
            check_filled(form.visits * form.patches, settings.batch_size)
        fingerprint = fingerprint_of(parts)
        if before is not None and before.fingerprint != fingerprint:
            raise DataError(
                f"{self._folder} is not the stored stream that the run was started with"
                + (f" (or {settings.val_from} is not)" if settings.val_from else "")
                + ": give --from and --val-from as they were then, or start a new run in another "
                "--out"
            )
        self._known = Reference(
            store.classes,
            store.counts,
            fingerprint,
            [],
            str(self._folder),
            facts=store.facts,
        )
        plan = ReplayPlan(
            settings.seed,
            settings.epochs,
            {
                split: stored_order(
                    part,
                    fresh=split == TRAIN,
                    shuffle=settings.shuffle,
                    drop_last=settings.drop_last and split == TRAIN,
                )
                for split, part in parts.items()
            },
            store.sample_bytes,
            settings.mix_visits,
            exact=settings.exact,
        )
        self._crop: Crop | None = None
        if settings.crop:
            cut = task.cropped(settings.crop)
            cut.facts = task.facts
            self._crop, task = Crop(plan, task, cut, settings.crop), cut
        super().__init__(settings, task, before.run if before else new_run())
        self._audited = before.audited if before else None
        self._replay = Replay(plan, resumed_at(plan, before, settings.batch_size), parts)
        self._replay.look()

    @property
    def origin(self) -> str:
        return str(self._folder)

    def open(self) -> Flow:
        form = self._store.splits[TRAIN]
        again = self.settings.epochs - form.epochs
        others = " in other orders" if self.settings.shuffle else ""
        log.info(
            "training from %s: %d stored epoch(s) of %s samples%s",
            self._folder,
            form.epochs,
            f"{form.visits * form.patches:,}",
            f", which are used {again} more time(s){others}" if again > 0 else "",
        )
        return Flow(
            self.settings,
            self.task,
            self._replay,
            self._known,
            _load,
            audited=self._audited,
            at_once=AT_ONCE,
            crop=self._crop,
        )

    def close(self, *, done: bool, reason: str) -> None:
        self._replay.close()
        if self._flow is not None:
            self._flow.feed.close()


def _load(feed: Feed, now: float) -> Load:
    steps = feed.step_times
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


def check_task(store: Store, task: Task, folder: Path) -> None:
    """Raise DataError if the samples in `folder` are not those of `task`."""
    try:
        same = msgspec.convert(store.params, type(task.params)) == task.params
    except msgspec.ValidationError:
        same = False
    if store.task != task.name or not same:
        raise DataError(
            f"{folder}: config.json has the task {task.name} with {task.params}, but "
            f"{layout.STORE} has {store.task} with {store.params}: put back both files as the sink "
            "wrote them"
        )
    task.facts = store.facts
    checks.declaration(task)
    if task.arrays() != store.arrays:
        raise DataError(
            f"the samples in {folder} are {_shown(store.arrays)}, and the task {task.name} makes "
            f"{_shown(task.arrays())} now: train with the version of the task with which they were "
            "stored, or store them again"
        )
    if compatibility.source_of(task) != store.source:
        log.info(
            "the task %s has changed since %s was stored: the stored samples are used as they are",
            task.name,
            folder,
        )


def held_out_part(settings: StoredSettings, store: Store) -> Part | None:
    """Where the samples to validate on are, if there are any. store: that of `--from`."""
    folder = Path(settings.from_)
    if not settings.val_from:
        return Part(folder, store, VAL, 1) if VAL in store.splits else None
    part = validation_part(Path(settings.val_from))
    check_arrays(part, store.arrays, f"--from {folder}")
    check_classes(part, store.classes, f"--from {folder}")
    return part


def fingerprint_of(parts: dict[str, Part]) -> str:
    """A hash of what is stored, without its folder. It must be the same when a run is resumed."""
    digest = hashlib.sha256()
    for split, part in sorted(parts.items()):
        same = msgspec.structs.replace(part.store, run="", compress="none")
        named = msgspec.to_builtins(same)
        if not part.store.facts:  # as before there were facts
            del named["facts"]
        digest.update(msgspec.msgpack.encode((split, part.split, named)))
    return digest.hexdigest()


def validation_part(folder: Path) -> Part:
    """The samples in the folder that `--val-from` names.

    They are the first epoch of its split val, or of its split train if it has no val.
    Raises DataError.
    """
    store = layout.read(folder)
    return Part(folder, store, VAL if VAL in store.splits else TRAIN, 1)


def check_arrays(part: Part, arrays: tuple[ArraySpec, ...], whose: str) -> None:
    """Raise ConfigError if the samples of validation do not have `arrays`, which are `whose`."""
    if part.store.arrays != arrays:
        raise ConfigError(
            f"--val-from {part.folder}: its samples are {_shown(part.store.arrays)}, and those of "
            f"{whose} are {_shown(arrays)}: one model cannot take both, so give another --val-from"
        )


def check_classes(part: Part, classes: tuple[str, ...], whose: str) -> None:
    """Raise ConfigError if the samples of validation do not have `classes`, which are `whose`."""
    if part.store.classes != classes:
        here, there = set(classes), set(part.store.classes)
        raise ConfigError(
            f"--val-from {part.folder}: its classes are not those of {whose}: only there "
            f"{sorted(there - here)[:5]}, only here {sorted(here - there)[:5]}. Give another "
            "--val-from"
        )


def stored_order(
    part: Part, *, fresh: bool, shuffle: bool = True, drop_last: bool = False
) -> StoredOrder:
    form, more = part.form, {"fresh": fresh, "shuffle": shuffle, "drop_last": drop_last}
    return StoredOrder.of(form.visits, form.patches, form.epochs, form.group, **more)


def check_whole(part: Part) -> None:
    """Raise DataError if files are missing."""
    if missing := part.missing():
        count = sum(1 for _ in part.shards)
        raise DataError(
            f"{part.folder} is not complete: {len(missing):,} of the {count:,} files of its split "
            f"{part.split} are missing, the first is {missing[0].name}. If they were moved, move "
            f"them back; else {typed('sink')} --resume --out {part.folder} makes them and "
            "completes the stream"
        )


def _shown(arrays: tuple[ArraySpec, ...]) -> str:
    return ", ".join(f"{spec.name} {spec.dtype} {spec.shape}" for spec in arrays)
