"""A live stream with stored validation, for `train_zmq.py --val-from DIR` without `--from`.

    fleet ─▶ Dispatcher ─┐ train 0   train 1   …
                         ├─▶ Joined ─▶ Feed ─▶ fit
    DIR   ─▶ Replay ─────┘      val 0     val 1 …

The fleet has a plan of the training split only, and the store one of the validation split only.
`Joined` gives the deliveries of both by turns, so order, audit, positions and resume work as in any
other run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from pushfit.errors import DataError, PushFitError
from pushfit.feed.audit import Audited
from pushfit.feed.source import Delivery, Reference, Source
from pushfit.plan.batches import Start
from pushfit.plan.leases import Lease
from pushfit.plan.order import Plan, SplitOrder
from pushfit.plan.replay import ReplayPlan
from pushfit.plan.shards import WHOLE
from pushfit.settings.stored import StoredSettings
from pushfit.streams.purpose import Counts, Purpose, plan_of, training_order
from pushfit.streams.replay import Part, Replay
from pushfit.streams.stored import (
    check_arrays,
    check_classes,
    check_whole,
    stored_order,
    validation_part,
)
from pushfit.tasks import checks
from pushfit.tasks.base import TRAIN, VAL, Task
from pushfit.tasks.visiting import Visiting
from pushfit.text import counted


class Joined:
    """A source of both splits.

    plan: the plan of the whole run.
    start_at: where the stream begins in `plan`.
    live: the source of the training split, which begins there, too.
    stored: the source of the validation split, which begins there, too.
    """

    def __init__(self, plan: Plan, start_at: Start, live: Source, stored: Source) -> None:
        self.plan, self.start_at = plan, start_at
        self._live, self._stored = live, stored

    @property
    def failure(self) -> PushFitError | None:
        return self._live.failure or self._stored.failure

    @property
    def generators(self) -> int | None:
        return self._live.generators

    def deliveries(self) -> Iterator[Delivery]:
        live, stored = self._live.deliveries(), self._stored.deliveries()
        for segment in self.plan.segments.since(self.start_at.segment):
            source = live if segment.split == TRAIN else stored
            left = segment.visits
            if segment.index == self.start_at.segment:
                left -= self.start_at.visit
            while left:
                delivery = next(source, None)
                if delivery is None:
                    return
                left -= delivery.lease.count
                yield delivery

    def handed(self, lease: Lease) -> None:
        if lease.segment.split == TRAIN:  # the store keeps no leases
            self._live.handed(lease)

    def abort(self, error: PushFitError) -> None:
        self._live.abort(error)


def with_stored_validation(
    purpose: Purpose, settings: StoredSettings, task: Task, epoch: int = 0
) -> Purpose:
    """The purpose of a training that validates on the samples in `--val-from`.

    purpose: the purpose of the training without them.
    epoch: the epoch at which the run stands; its validation has not been done.
    Raises ConfigError and DataError if these samples are not suitable.
    """
    part = validation_part(Path(settings.val_from))
    if checks.known_arrays(task) is None:
        task.facts = part.store.facts  # `LiveStream` compares them with those of the data
        purpose = replace(purpose, facts=part.store.facts)
    check_arrays(part, task.arrays(), f"the task {task.name}")
    check_whole(part)
    held_out = stored_order(part, fresh=False)
    check_length(part, held_out, purpose.audited)
    splits = {VAL: held_out}
    each = sum(spec.nbytes for spec in task.arrays())
    plan = ReplayPlan(settings.seed, settings.epochs, splits, each, settings.mix_visits)
    replay = Replay(plan, Start(epoch), {VAL: part})
    replay.look()
    patches = {TRAIN: purpose.patches[TRAIN]}

    def orders(counts: Counts, visiting: Visiting) -> dict[str, SplitOrder]:
        return {TRAIN: training_order(settings, counts, visiting, patches[TRAIN])}

    def route(source: Source, reference: Reference) -> tuple[Source, Reference]:
        check_classes(part, reference.classes, reference.origin)
        whole = plan_of(settings, task, {**source.plan.splits, VAL: held_out}, WHOLE)
        told = f"stored, in {part.folder}"
        if held := sum(reference.counts.get(VAL, ())):
            told += f"; {counted(held, 'record')} of the data for validation, not used"
        counts = {**reference.counts, VAL: part.store.counts[part.split]}
        joined = Joined(whole, purpose.start(whole), source, replay)
        return joined, replace(reference, counts=counts, validation=told)

    return replace(
        purpose,
        patches=patches,
        orders=orders,
        check_classes=lambda classes, whose: check_classes(part, classes, whose),
        route=route,
        close=replay.close,
    )


def check_length(part: Part, held_out: SplitOrder, audited: Audited | None) -> None:
    """Raise DataError if an earlier epoch was validated on another number of samples."""
    samples = held_out.visits * held_out.patches
    for row in audited.rows.get(VAL, ()) if audited else ():
        if row["expected"] != samples:
            raise DataError(
                f"--val-from {part.folder} holds {samples:,} samples, and the run has validated "
                f"on {row['expected']:,}: give the folder with which the run was started"
            )
