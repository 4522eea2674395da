"""Where deliveries come from: a fleet (`dispatcher`), or a store (`replay`). Whoever takes them
need not know which; all the rest of the trainer sees this of it and no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from lib.errors import PushFitError
from lib.plan.batches import Start
from lib.plan.leases import Lease
from lib.plan.order import Plan
from lib.trainer.exchange import Delivery


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
