"""What the fleet is told of a run."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from pushfit.tasks.facts import Fact
from pushfit.wire import protocol as wire


class Job(msgspec.Struct, frozen=True):
    """What the fleet is told of a run."""

    run: str
    task: str
    params: dict[str, Any]
    seed: int
    patches: dict[str, int]
    heartbeat: float = 1.0
    silence: float = 5.0
    expiry: float = 30.0
    compress: Literal["none", "auto", "zstd"] = "none"
    facts: dict[str, Fact] = {}  # that count instead of those of a generator's data
    source: str = ""  # of the code that draws samples, `tasks.compatibility.source_of`

    def welcome(
        self, *, data_port: int, heartbeat: float, fingerprint: str, need: wire.Need
    ) -> wire.Welcome:
        """The message to a generator.

        heartbeat: seconds between two, in a fleet of this size.
        fingerprint: of the run's data set, where it is known.
        """
        return wire.Welcome(
            run=self.run,
            task=self.task,
            params=self.params,
            seed=self.seed,
            patches=self.patches,
            data_port=data_port,
            heartbeat=heartbeat,
            silence=self.silence,
            expiry=self.expiry,
            fingerprint=fingerprint,
            source=self.source,
            compress=self.compress,
            need=need,
            facts=self.facts,
        )
