"""What a trainer says of a training that stands still, where its steps wait for other trainers.

The ranks of a run train in step. If one ends, the others block within a step, in silence: inside a
collective operation of their framework. Whoever looks at the log of such a rank should see why.
Pure: `now` is an argument.
"""

from __future__ import annotations

from collections.abc import Collection

from pushfit.feed.feed import Idle
from pushfit.plan.shards import Shards
from pushfit.tasks.base import TRAIN
from pushfit.text import counted

PATIENCE_SECONDS = 30.0  # time without a request for a batch after which the log says so
COLD_BATCHES = 8  # first batches of a split, until which a framework may compile its step
COLD_TIMES = 10  # how many times the patience is as long for these


class Lockstep:
    """Says when the training of a rank has asked for no batch for long, and when it continues.

    It says so after `patience` seconds, after twice that time, and so on.

    shards: those of this trainer, and so its rank.
    patience: seconds.
    """

    def __init__(self, shards: Shards, patience: float) -> None:
        self._shards, self._patience = shards, patience
        self._idle: Idle | None = None
        self._due = 0.0  # seconds of idleness at which it is said next
        self._said = False

    def look(self, idle: Idle | None, gone: Collection[int], now: float) -> str:
        """A sentence for people; ``""``: there is nothing to say. Call it a few times a second.

        idle: since when no batch was asked for; None: one is being made, or the run has no more.
        gone: ranks that no generator reaches any more.
        """
        if idle is not self._idle:
            before, self._idle = self._idle, idle
            said, self._said = self._said, False
            cold = idle is not None and idle.handed <= COLD_BATCHES
            self._due = self._patience * (COLD_TIMES if cold else 1)
            if said and before is not None:
                return f"{self._who} continues after {_seconds(now - before.since)}"
        if idle is None or now - idle.since < self._due:
            return ""
        waited = now - idle.since
        while self._due <= waited:
            self._due *= 2
        self._said = True
        return (
            f"{self._who} has asked for no batch for {_seconds(waited)}, since it got "
            f"{_place(idle)}. A step of training waits for every rank. {self._advice(gone)}"
        )

    @property
    def _who(self) -> str:
        return f"rank {self._shards.rank} of {self._shards.world}"

    def _advice(self, gone: Collection[int]) -> str:
        others = range(self._shards.world)
        if lost := [each for each in others if each in gone and each != self._shards.rank]:
            named = " and ".join(f"rank {each}" for each in lost[:8])
            more = f" and {counted(len(lost) - 8, 'other')}" if len(lost) > 8 else ""
            those = "it has" if len(lost) == 1 else "they have"
            again = "it" if len(lost) == 1 else "them"
            what = (
                f"The generators do not reach {named}{more} any more: if {those} ended, start "
                f"{again} again"
            )
        else:
            what = "If another one has ended, start it again"
        return f"{what} with the same settings (docs/many-gpus.md)"


def _place(idle: Idle) -> str:
    kind = "batch" if idle.segment.split == TRAIN else f"batch of {idle.segment.split}"
    return f"{kind} {idle.number + 1:,} of epoch {idle.segment.epoch + 1}"


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f} s"
