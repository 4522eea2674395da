"""The position of a feed in its run, and so the split of its next batch."""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from pushfit.plan.batches import Start
from pushfit.plan.order import Plan, Segment


class Positions:
    """Counts the batches of a run, in order. start: the first batch that is pulled."""

    def __init__(self, plan: Plan, batch_size: int, start: Start) -> None:
        self._segments = plan.segments
        sizes = [segment.batches(batch_size) for segment in plan.segments.epoch]
        self._ends = np.array(list(accumulate(sizes)), np.int64)  # of each segment, in an epoch
        self._pulled = start.batch  # the number of batches, counted over the whole run
        if start.segment:
            epochs, segments = divmod(start.segment, len(sizes))
            self._pulled += epochs * sum(sizes) + sum(sizes[:segments])

    @property
    def split(self) -> str | None:
        """The split of the next batch; None where the run is over."""
        at = self.next
        return at[0].split if at is not None else None

    @property
    def next(self) -> tuple[Segment, int] | None:
        """(segment, number of the batch in it) of the next batch; None where the run is over."""
        epoch, batch = divmod(self._pulled, int(self._ends[-1]))
        kinds = self._segments.epoch
        if epoch * len(kinds) >= len(self._segments):
            return None
        within = int(np.searchsorted(self._ends, batch, side="right"))
        first = int(self._ends[within - 1]) if within else 0
        return self._segments[epoch * len(kinds) + within], batch - first

    def pulled(self) -> None:
        """Note that a batch was pulled."""
        self._pulled += 1
