"""The order of a stream that is stored, as a pure function of the seed.

- A **stored epoch** is visited as it was when it was live: its batches are the live ones.
- An epoch beyond the stored ones takes stored epoch e mod E again, each sample once: its **groups**
  (visits that lie side by side on the disk) in an order drawn for this epoch, and their samples
  mixed over at least `MIX_GROUPS` of them, even where a visit has one sample alone. Reading stays
  sequential within a group, and the batches are others all the same.
- Validation is as in epoch 0, always.

Such an epoch has two numbers for a sample: its **row**, by which it is delivered, mixed and batched
as if the order of the groups were the order of the epoch; and its **place**, where it is stored.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lib.plan.order import Plan, Segment, SplitOrder, rng_of

MIX_GROUPS = 8  # groups over which an epoch that comes again is mixed at least


class StoredOrder(SplitOrder, frozen=True):
    """How one split is stored. epochs: that are there; group: visits that lie side by side."""

    epochs: int = 1
    group: int = 1

    @classmethod
    def of(cls, visits: int, patches: int, epochs: int, group: int, *, fresh: bool) -> StoredOrder:
        """fresh: other samples each epoch, as in training; else those of epoch 0 every time."""
        return cls((visits,), patches, shuffle=fresh, fresh=fresh, epochs=epochs, group=group)

    @property
    def groups(self) -> int:
        """In an epoch; the last one may be smaller."""
        return -(-self.visits // self.group)


class ReplayPlan(Plan):
    """The whole run. splits: how each is stored; window: visits, as in a live run."""

    def __init__(
        self, seed: int, epochs: int, splits: dict[str, StoredOrder], sample_bytes: int, window: int
    ) -> None:
        super().__init__(seed, epochs, dict(splits), sample_bytes, window)
        self.stored = splits
        self._visits: tuple[int, np.ndarray] | None = None  # index of a segment; see `places`

    def stored_epoch(self, segment: Segment) -> int:
        """The epoch that its samples are stored as."""
        order = self.stored[segment.split]
        return segment.epoch % order.epochs if order.fresh else 0

    def comes_again(self, segment: Segment) -> bool:
        """Whether its samples have been trained on in an earlier epoch."""
        order = self.stored[segment.split]
        return order.fresh and segment.epoch >= order.epochs

    def groups(self, segment: Segment) -> Iterator[tuple[int, int]]:
        """(first visit, visits) of each group, in the order of delivery."""
        order = self.stored[segment.split]
        numbers = np.arange(order.groups)
        if self.comes_again(segment):
            rng = rng_of(self.seed, "again", segment.split, segment.epoch)
            numbers = rng.permutation(order.groups)
        for number in numbers.tolist():
            first = number * order.group
            yield first, min(order.group, order.visits - first)

    def window_of(self, segment: Segment) -> int:
        if self.comes_again(segment):
            return max(self.window, MIX_GROUPS * self.stored[segment.split].group)
        return super().window_of(segment)

    def places(self, segment: Segment, rows: np.ndarray) -> np.ndarray:
        if not self.comes_again(segment):
            return rows
        if self._visits is None or self._visits[0] != segment.index:
            each = [np.arange(first, first + count) for first, count in self.groups(segment)]
            self._visits = segment.index, np.concatenate(each)
        visits, patches = np.divmod(rows, segment.patches)
        return self._visits[1][visits] * segment.patches + patches
