"""What a feed takes, and from where: deliveries, of a data set, from a source.

A source is a fleet (`dispatch.dispatcher`) or a store (`streams.replay`). Whoever takes deliveries
need not know which: this is all that the rest of the trainer sees of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec
import numpy as np

from pushfit.errors import PushFitError
from pushfit.plan.batches import Start
from pushfit.plan.leases import Lease
from pushfit.plan.order import Plan
from pushfit.tasks.base import Unused
from pushfit.tasks.facts import Fact
from pushfit.wire.protocol import Bad


class Reference(msgspec.Struct, frozen=True):
    """The data set that every generator of this run must hold."""

    classes: tuple[str, ...]
    counts: dict[str, list[int]]
    fingerprint: str
    listing: list[str]
    origin: str  # whose it is, for messages
    unused: tuple[Unused, ...] = ()
    validation: str = ""
    version: str = ""
    facts: dict[str, Fact] = {}

    @property
    def records(self) -> int:
        return sum(map(sum, self.counts.values()))


class Delivery(msgspec.Struct, frozen=True, eq=False):
    """A received lease: arrays of (count·K, *shape) each, read-only; visits that are bad."""

    lease: Lease
    arrays: tuple[np.ndarray, ...]
    bad: list[Bad]


class Source(Protocol):
    @property
    def failure(self) -> PushFitError | None:
        """What ended the stream before its time."""

    @property
    def plan(self) -> Plan: ...

    @property
    def start_at(self) -> Start:
        """Where the stream begins."""

    @property
    def generators(self) -> int | None:
        """Generators at work now; None: there is no fleet."""

    def deliveries(self) -> Iterator[Delivery]:
        """Every lease of the run, in order. Ends with the run; raises what ended it early."""

    def handed(self, lease: Lease) -> None:
        """Every sample of `lease` has gone into a batch. Any thread may call this."""

    def abort(self, error: PushFitError) -> None:
        """End the stream: whoever waits for a delivery gets `error`. Any thread may call this."""
