"""The purpose of a live stream: all differences between a training, a sink and a prediction.

for_training, for_sink            here
with_stored_validation            `pushfit.streams.validated`
Storage.purpose                   `pushfit.sinks.hdf5.storage`
for_prediction                    `pushfit.predicting.stream`
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import msgspec

from pushfit import tasks
from pushfit.errors import ConfigError, DataError, TaskError
from pushfit.feed.audit import Audited
from pushfit.feed.source import Reference, Source
from pushfit.plan.batches import Start, start
from pushfit.plan.order import Plan, SplitOrder
from pushfit.plan.shards import Shards
from pushfit.runs.stream_state import StreamState
from pushfit.settings.stream import StreamSettings
from pushfit.tasks import checks
from pushfit.tasks.base import TRAIN, VAL, DataSet, Task
from pushfit.tasks.facts import Fact
from pushfit.tasks.visiting import Visiting

Counts = Mapping[str, list[int]]  # {split: records of each class}

log = logging.getLogger("pushfit.trainer")


class Purpose(msgspec.Struct, frozen=True):
    """What a live stream is for.

    patches: {split: samples of a visit}.
    orders: ({split: records of each class}, weights and groups) → {split: how it is visited}, for
        each split with records. It raises DataError if there is nothing to visit, or the settings
        do not suit the data.
    scan: the splits that are wanted → the data set of this machine; None: a generator brings it.
    start: the plan → where the stream begins. It raises ConfigError.
    run: the name of the run that is resumed; "": the run is new.
    reference: the data set of the run that is resumed, known before a generator comes; None: the
        run is new.
    facts: of the data that the run was trained or is validated on; None: those of the data set.
    audited: the audit where the stream begins; None: the run is new.
    given_up: (split, record, why) of the records that an earlier process gave up.
    check_classes: (classes, whose they are). It raises ConfigError if they are not suitable.
    route: (source, data set) → the same two as the feed and people get them.
    close: closes what `route` reads from.
    trains: a model takes the batches, so its steps may limit the stream.
    storing: seconds that were spent on storing so far, for advice.
    follow_up: why generators shall stay when the stream is over; "": they may leave.
    """

    patches: dict[str, int]
    orders: Callable[[Counts, Visiting], dict[str, SplitOrder]]
    scan: Callable[[Collection[str]], DataSet | None]
    start: Callable[[Plan], Start] = lambda plan: Start()
    run: str = ""
    reference: Reference | None = None
    facts: dict[str, Fact] | None = None
    audited: Audited | None = None
    given_up: list[tuple[str, int, str]] = []
    check_classes: Callable[[tuple[str, ...], str], None] = lambda classes, whose: None
    route: Callable[[Source, Reference], tuple[Source, Reference]] = lambda *direct: direct
    close: Callable[[], None] = lambda: None
    trains: bool = False
    storing: Callable[[], float] = lambda: 0.0
    follow_up: str = ""


def for_sink(
    settings: StreamSettings, task: Task, *, needs_data: bool, splits: Collection[str] = ()
) -> Purpose:
    """A stream from its beginning, which no model takes.

    needs_data: the data set must be on this machine, as its links were named.
    splits: those that are made; empty: every split that there is.
    """
    given = {TRAIN: settings.patches_per_visit, VAL: settings.val_patches_per_visit}
    patches = {split: count * task.versions(split) for split, count in given.items()}

    def orders(counts: Counts, visiting: Visiting) -> dict[str, SplitOrder]:
        found: dict[str, SplitOrder] = {}
        if not splits or TRAIN in splits:
            found[TRAIN] = training_order(settings, counts, visiting, patches[TRAIN])
        val = tuple(counts.get(VAL, ()))
        if sum(val) and (not splits or VAL in splits):
            found[VAL] = SplitOrder(val, patches[VAL], shuffle=False, fresh=False)
        if VAL in splits and VAL not in found:
            raise DataError("the data set has no records to validate on: leave the split val out")
        return found

    return Purpose(patches, orders, scanner(settings, task, needs_data=needs_data))


def for_training(
    settings: StreamSettings,
    task: Task,
    before: StreamState | None = None,
    *,
    needs_data: bool,
    splits: Collection[str] = (),
) -> Purpose:
    """A stream that a model is trained on.

    before: where the run stands that is resumed; None: a new run. splits: as for `for_sink`.
    """
    purpose = for_sink(settings, task, needs_data=needs_data, splits=splits)
    purpose = msgspec.structs.replace(purpose, trains=True)
    if before is None:
        return purpose
    origin = "the run that is resumed"
    return msgspec.structs.replace(
        purpose,
        start=lambda plan: resumed_at(plan, before, settings.batch_size),
        run=before.run,
        reference=Reference(
            before.classes,
            before.counts,
            before.fingerprint,
            [],
            origin,
            facts=before.facts,
            awaited=before.visiting or "",
        ),
        audited=before.audited,
        given_up=before.given_up,
    )


def task_of(settings: StreamSettings, params: msgspec.Struct) -> Task:
    """The task of a stream, with its declarations checked. Raises TaskError."""
    task = tasks.load(settings.task)(params)
    checks.declaration(task)
    return task


def plan_of(
    settings: StreamSettings, task: Task, orders: dict[str, SplitOrder], shards: Shards
) -> Plan:
    """The plan of a live stream whose splits are visited by `orders`, for one of its trainers."""
    return Plan(
        settings.seed,
        settings.epochs,
        orders,
        sum(spec.nbytes for spec in task.arrays()),
        settings.mix_visits,
        exact=settings.exact,
        shards=shards,
        batch_size=shards.batch(settings.batch_size),
    )


def training_order(
    settings: StreamSettings, counts: Counts, visiting: Visiting, patches: int
) -> SplitOrder:
    """How the training split is visited.

    Raises DataError if there is nothing to train on, or the settings do not suit its weights and
    groups.
    """
    if settings.balance and visiting.weights:
        raise DataError(
            "--balance shows every class equally often, and the data set has weights, which say "
            "how often each record comes: leave --balance out, or let scan() return no weights"
        )
    if settings.shuffle_groups and not visiting.groups:
        raise DataError(
            f"--shuffle-groups {settings.shuffle_groups} shuffles group by group, and the data set "
            "has no groups: let scan() return DataSet(…, groups=…), a number for each training "
            "record, or leave --shuffle-groups out"
        )
    order = SplitOrder(
        tuple(counts.get(TRAIN, ())),
        patches,
        visits_per_epoch=-(-settings.patches_per_epoch // patches),
        shuffle=settings.shuffle,
        balance=settings.balance,
        weights=visiting.weights,
        group_of=visiting.groups if settings.shuffle_groups else b"",
        together=settings.shuffle_groups,
    )
    if not order.records:
        raise DataError("the data set has no records to train on")
    return order


def scanner(
    settings: StreamSettings, task: Task, *, needs_data: bool
) -> Callable[[Collection[str]], DataSet | None]:
    """A function that scans the data set in the folder of links.

    It returns None if there is no data set there and none is needed. Else it raises DataError.
    """

    def scan(splits: Collection[str]) -> DataSet | None:
        try:
            return checks.scan(task, Path(settings.links), splits)
        except DataError as error:
            if needs_data or settings.generators > 0 or isinstance(error, TaskError):
                raise
            log.info("%s", error)
            return None

    return scan


def resumed_at(plan: Plan, before: StreamState | None, batch_size: int) -> Start:
    """Where a run stood, in its plan. Raises ConfigError."""
    if before is None:
        return Start()
    if before.step and not plan.exact:
        raise ConfigError(
            f"the run stands within epoch {before.epoch + 1}, and with --order arrival a run can "
            "be resumed only at the start of an epoch: start a new run in another --out"
        )
    try:
        size = plan.shards.batch(batch_size)
        return start(plan, before.epoch, before.step, size, before.split)
    except ValueError as error:
        raise ConfigError(f"the checkpoint has a position that does not exist: {error}") from error


def new_run() -> str:
    """A new random name, of 12 hexadecimal digits."""
    return os.urandom(6).hex()
