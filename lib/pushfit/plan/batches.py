"""Which samples make which batch, and where in the run a stream begins. Pure.

A **position** is (epoch, split, step): `step` batches of `split` of `epoch` were used, and all
splits of the epoch that come before it. Nothing else has to be kept to resume the same stream:

- The order is a pure function, so the rows of all earlier batches are known without making them.
- Because of mixing, some visits are used only in part at a position. Leases are cut from the lowest
  of these on, so at most `window` visits are made a second time, and only their unused samples
  count.
- `step` may be the number of batches in the epoch: then training is done, but validation is not.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from pushfit.plan.order import TRAIN, Plan, Segment


class Start(msgspec.Struct, frozen=True, eq=False):
    """Where a stream begins.

    segment: the index of the segment; the number of segments stands for the end of the run.
    batch: the number of the batch in that segment.
    visit: the lowest visit with a sample that is in no earlier batch.
    taken: (n,) int64: how many samples of the visits `visit`, `visit` + 1, … earlier batches have.
        They have none of later visits.
    """

    segment: int = 0
    batch: int = 0
    visit: int = 0
    taken: np.ndarray = np.empty(0, np.int64)


def batches(plan: Plan, segment: Segment, batch_size: int) -> Iterator[np.ndarray]:
    """The rows (visit · K + patch) of each batch of `segment`.

    The last batch may be smaller; it is left out where the segment says so (`drop_last`). A trainer
    of several shards has the samples of each side by side, as many of each.
    """
    each = plan.shards.each
    of_shards = [_of_shard(plan, segment, batch_size // each, place) for place in range(each)]
    if each == 1:
        return of_shards[0]
    return map(np.concatenate, zip(*of_shards, strict=True))


def _of_shard(plan: Plan, segment: Segment, batch_size: int, place: int) -> Iterator[np.ndarray]:
    held = np.empty(0, np.int64)
    for visits, patches in plan.mixed(segment, place):
        held = np.concatenate([held, visits * segment.patches + patches])
        for start in range(0, len(held) - batch_size + 1, batch_size):
            yield held[start : start + batch_size]
        held = held[len(held) - len(held) % batch_size :]
    if len(held) and not segment.drop_last:
        yield held


def place(
    plan: Plan, epoch: int, step: int, batch_size: int, split: str = TRAIN
) -> tuple[int, int]:
    """(index of the segment, number of the batch in it) that come next at a position.

    Raises ValueError for a position that the plan does not have.
    """
    segments = plan.segments
    epochs = len(segments) // max(1, len(segments.epoch))
    for segment in segments.epoch if 0 <= epoch < epochs else ():
        if segment.split == split:
            steps, index = segment.batches(batch_size), epoch * len(segments.epoch) + segment.index
            if not 0 <= step <= steps:
                raise ValueError(f"batch {step} of an epoch of {steps}")
            return (index + 1, 0) if step == steps else (index, step)
    if step or not 0 <= epoch <= epochs:
        raise ValueError(f"batch {step} of {split} in epoch {epoch} of {epochs}")
    return epoch * len(segments.epoch), 0  # a split that is not in the plan, or the run's end


def start(plan: Plan, epoch: int, step: int, batch_size: int, split: str = TRAIN) -> Start:
    """Where the stream resumes at a position. Raises ValueError as `place` does."""
    index, batch = place(plan, epoch, step, batch_size, split)
    if not batch:
        return Start(index)
    segment = plan.segments[index]
    taken = np.zeros(segment.visits, np.int64)
    for number, rows in enumerate(batches(plan, segment, batch_size)):
        if number == batch:
            break
        np.add.at(taken, rows // segment.patches, 1)
    visit = int(np.flatnonzero(taken < segment.patches)[0])
    beyond = int(np.flatnonzero(taken)[-1]) + 1
    return Start(index, batch, visit, taken[visit:beyond])
