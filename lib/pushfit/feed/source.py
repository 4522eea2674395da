"""The interface of a source, which gives a feed the deliveries of a data set.

A source is a fleet (`dispatch.dispatcher`) or a store (`streams.replay`). The rest of the trainer
knows only this interface, so it does not matter which of the two it is.
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
from pushfit.tasks.visiting import Visiting
from pushfit.wire.protocol import Bad


class Reference(msgspec.Struct, frozen=True):
    """The data set that every generator of this run must have.

    counts: {split: records of each class}.
    fingerprint: the hash of the paths and sizes of all records.
    listing: "path<TAB>size" of each record; empty: not known.
    origin: whose data set it is, for messages.
    unused: files that are not used.
    validation: where the records of validation come from.
    version: the version of the data, as the task gives it.
    visiting: weights and groups of its training records.
    awaited: the digest of `visiting`, if that is still to come from a generator; ``""``: it is not.
    """

    classes: tuple[str, ...]
    counts: dict[str, list[int]]
    fingerprint: str
    listing: list[str]
    origin: str
    unused: tuple[Unused, ...] = ()
    validation: str = ""
    version: str = ""
    facts: dict[str, Fact] = {}
    visiting: Visiting = Visiting()
    awaited: str = ""

    @property
    def records(self) -> int:
        return sum(map(sum, self.counts.values()))


class Delivery(msgspec.Struct, frozen=True, eq=False):
    """A received lease.

    arrays: (count · K, *shape) each, read-only, in the order of the task's arrays.
    bad: the visits whose record is bad.
    """

    lease: Lease
    arrays: tuple[np.ndarray, ...]
    bad: list[Bad]


class Source(Protocol):
    @property
    def failure(self) -> PushFitError | None:
        """The error that ended the stream early; None: there was none."""

    @property
    def plan(self) -> Plan: ...

    @property
    def start_at(self) -> Start:
        """Where the stream begins."""

    @property
    def generators(self) -> int | None:
        """The number of generators at work now; None: the source has no fleet."""

    def deliveries(self) -> Iterator[Delivery]:
        """Every lease of the run, in order. Raises the error that ended the stream early."""

    def handed(self, lease: Lease) -> None:
        """Note that every sample of `lease` is in a batch. Any thread may call this."""

    def abort(self, error: PushFitError) -> None:
        """End the stream: `deliveries` then raises `error`. Any thread may call this."""
