"""What a trainer tells its fleet about a run: the content of WELCOME."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from pushfit.plan.shards import WHOLE, Shards
from pushfit.tasks.facts import Fact
from pushfit.wire import protocol as wire


class Job(msgspec.Struct, frozen=True):
    """What the fleet is told about a run; `protocol.Welcome` describes the fields.

    heartbeat, silence, expiry: seconds.
    """

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
    source: str = ""  # the hash that `tasks.compatibility.source_of` returns
    shards: Shards = WHOLE
    shape: dict[str, str] = {}

    def welcome(
        self, *, data_port: int, heartbeat: float, fingerprint: str, need: wire.Need
    ) -> wire.Welcome:
        """The answer to a generator's HELLO.

        heartbeat: seconds between two heartbeats, in a fleet of this size.
        fingerprint: that of the run's data set; ``""``: it is not known yet.
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
            shards=(self.shards.count, self.shards.world, self.shards.rank),
            shape=self.shape,
        )
