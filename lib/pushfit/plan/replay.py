"""The order of a stream that is stored, as a pure function of the seed.

- A **stored epoch** is visited in the order of the live run, so its batches are the same.
- An epoch e beyond the E stored ones uses stored epoch e mod E again, each sample once. Its
  **groups** (visits that are adjacent on the disk) come in an order drawn for this epoch, and their
  samples are mixed over at least `MIX_GROUPS` groups, even if a visit has only one sample. So
  reading is sequential within a group, but the batches are new.
- Without shuffling, such an epoch has the order of the stored epoch as well.
- Validation is always that of epoch 0.

A shuffled epoch that comes again has two numbers for a sample: its **row**, by which it is
delivered, mixed and batched as if the order of the groups were the order of the epoch; and its
**place**, where it is stored.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pushfit.plan.order import Plan, Segment, SplitOrder, rng_of, stream_key
from pushfit.plan.philox import uniforms

MIX_GROUPS = 8  # least number of groups over which a repeated epoch is mixed


class StoredOrder(SplitOrder, frozen=True):
    """How one split is stored.

    epochs: the number of stored epochs.
    group: the number of visits that are adjacent on the disk.
    """

    epochs: int = 1
    group: int = 1

    @classmethod
    def of(
        cls,
        visits: int,
        patches: int,
        epochs: int,
        group: int,
        *,
        fresh: bool,
        shuffle: bool = True,
        drop_last: bool = False,
    ) -> StoredOrder:
        """The order of a stored split.

        fresh: each epoch has other samples, as in training; False: always those of epoch 0.
        shuffle: epochs that come again have orders of their own; False: that of the stored epoch.
        drop_last: as `SplitOrder` has it.
        """
        return cls(
            (visits,),
            patches,
            shuffle=shuffle and fresh,
            fresh=fresh,
            epochs=epochs,
            group=group,
            drop_last=drop_last,
        )

    @property
    def groups(self) -> int:
        """The number of groups in an epoch; the last one may be smaller."""
        return -(-self.visits // self.group)


class ReplayPlan(Plan):
    """The plan of a replayed run.

    splits: how each is stored.
    window: visits over which samples are mixed, as in a live run.
    """

    def __init__(
        self,
        seed: int,
        epochs: int,
        splits: dict[str, StoredOrder],
        sample_bytes: int,
        window: int,
        *,
        exact: bool = True,
    ) -> None:
        super().__init__(seed, epochs, dict(splits), sample_bytes, window, exact=exact)
        self.stored = splits
        self._visits: tuple[int, np.ndarray] | None = None  # index of a segment; see `places`

    def stored_epoch(self, segment: Segment) -> int:
        """The stored epoch that has the samples of `segment`."""
        order = self.stored[segment.split]
        return segment.epoch % order.epochs if order.fresh else 0

    def reordered(self, segment: Segment) -> bool:
        """Return whether it uses a stored epoch again, in another order than the stored one."""
        order = self.stored[segment.split]
        return order.shuffle and segment.epoch >= order.epochs

    def groups(self, segment: Segment) -> Iterator[tuple[int, int]]:
        """(first visit, visits) of each group, in the order of delivery."""
        order = self.stored[segment.split]
        numbers = np.arange(order.groups)
        if self.reordered(segment):
            rng = rng_of(self.seed, "again", segment.split, segment.epoch)
            numbers = rng.permutation(order.groups)
        for number in numbers.tolist():
            first = number * order.group
            yield first, min(order.group, order.visits - first)

    def spread(self, segment: Segment) -> int:
        if self.reordered(segment):
            return max(self.window, MIX_GROUPS * self.stored[segment.split].group)
        return super().spread(segment)

    def cuts(self, segment: Segment, places: np.ndarray) -> np.ndarray:
        """(n, 2) float64 in [0, 1): where the samples at `places` are cut in this epoch."""
        none = np.zeros_like(places)
        key = stream_key(self.seed, "crop", segment.split, segment.epoch)
        return uniforms(key, places, none, none, 2)

    def places(self, segment: Segment, rows: np.ndarray) -> np.ndarray:
        if not self.reordered(segment):
            return rows
        if self._visits is None or self._visits[0] != segment.index:
            each = [np.arange(first, first + count) for first, count in self.groups(segment)]
            self._visits = segment.index, np.concatenate(each)
        visits, patches = np.divmod(rows, segment.patches)
        return self._visits[1][visits] * segment.patches + patches
