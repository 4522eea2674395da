"""Shards: one stream cut into S parts by arithmetic, for up to S trainers. Pure.

- Visit v of an epoch is of **shard** v mod S. Each shard is mixed and batched by itself.
- A batch of the stream is a batch of each shard, side by side in the order of the shards.
- **Rank** r of R trainers, where R divides S, has the S / R shards from r · S / R on. So the
  batches of the ranks, in their order, are the batch of the stream, whatever R is.
- All shards have equally many visits. What is missing at the end of an epoch is **padding**: the
  records of the epoch's first visits once more, with samples of their own.

A rank numbers its own visits 0, 1, 2, …, in the order of the epoch. `Shards.visit` tells which
visits of the epoch these are: samples are drawn by that number, so no rank decides what they are.
"""

from __future__ import annotations

from typing import overload

import msgspec
import numpy as np


class Shards(msgspec.Struct, frozen=True):
    """The shards of a stream, and those of them that one trainer has.

    count: S, the shards of the stream.
    world: R, its trainers; it divides S.
    rank: the number of this trainer, from 0.
    """

    count: int = 1
    world: int = 1
    rank: int = 0

    @property
    def several(self) -> bool:
        """Return whether the run has several trainers."""
        return self.world > 1

    def batch(self, size: int) -> int:
        """This trainer's samples of a batch of `size`, of which each shard has as many."""
        return size // self.world

    @property
    def each(self) -> int:
        """The number of shards that a trainer has."""
        return self.count // self.world

    @property
    def held(self) -> range:
        """The shards of this trainer."""
        return range(self.rank * self.each, (self.rank + 1) * self.each)

    def visits(self, epoch: int) -> int:
        """The visits of this trainer in an epoch of `epoch` visits. All trainers have as many."""
        return -(-epoch // self.count) * self.each

    def padding(self, epoch: int) -> list[int]:
        """For each shard of this trainer: how many of its visits are padding."""
        missing = -epoch % self.count  # the last so many shards lack a visit
        return [int(shard >= self.count - missing) for shard in self.held]

    @overload
    def visit(self, own: int) -> int: ...
    @overload
    def visit(self, own: np.ndarray) -> np.ndarray: ...
    def visit(self, own: int | np.ndarray) -> int | np.ndarray:
        """The number in the epoch of this trainer's visit number `own`."""
        return own // self.each * self.count + self.held.start + own % self.each

    def own(self, visit: int) -> int | None:
        """The number among this trainer's visits of visit `visit` of the epoch; None: not its."""
        turn, shard = divmod(visit, self.count)
        return turn * self.each + shard - self.held.start if shard in self.held else None

    def deal(self, records: np.ndarray) -> np.ndarray:
        """(n,) the records of an epoch's visits → (`visits(n)`,) those of this trainer's visits."""
        visits = self.visit(np.arange(self.visits(len(records))))
        dealt: np.ndarray = records[visits % len(records)]
        return dealt


WHOLE = Shards()  # a stream that is not cut: one shard, one trainer
