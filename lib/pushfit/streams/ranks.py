"""Which of the trainers of a run this process is: by its settings, or as its launcher says."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from pushfit.endpoint import Endpoint
from pushfit.errors import ConfigError
from pushfit.plan.shards import WHOLE, Shards
from pushfit.settings.declaration import Decides
from pushfit.settings.fields import settings_of
from pushfit.settings.stream import StreamSettings

# (number of processes, number of this one), as launchers tell them in the environment.
LAUNCHERS = (("WORLD_SIZE", "RANK"), ("SLURM_NTASKS", "SLURM_PROCID"))
SHARED = (Decides.SAMPLES, Decides.BATCHES, Decides.STEPS)  # ranks must have the same of these
PORTS = 2  # of each rank: control and data


def shards_of(settings: StreamSettings, environ: Mapping[str, str] = os.environ) -> Shards:
    """The shards of the stream, and those of this trainer. Raises ConfigError.

    A stream of one shard has one trainer, whatever a launcher says: it may have started generators.
    """
    count, world, rank = settings.shards, settings.world, settings.rank
    if count == 1:
        return WHOLE
    whose = "--world"
    if not world or rank < 0:
        whose, world, rank = _launched(world, rank, environ)
    if world > 1 and rank < 0:
        raise ConfigError(
            f"--world {world} says that the run has {world} trainers: give each its own number "
            f"from 0 to {world - 1} with --rank"
        )
    rank = max(rank, 0)
    if rank >= world:
        raise ConfigError(
            f"--rank {rank} is not one of the {world} trainers of the run, which are numbered from "
            f"0 to {world - 1}"
        )
    if count % world:
        raise ConfigError(
            f"{whose} says that the run has {world} trainers, which cannot share {count} shards "
            "equally: --shards stays the same for a run, so choose one that all numbers of "
            "trainers divide, such as 8 for 1, 2, 4 and 8"
        )
    return Shards(count, world, rank)


def _launched(world: int, rank: int, environ: Mapping[str, str]) -> tuple[str, int, int]:
    """(who says so, trainers, number of this one); given values count. -1: nobody says it."""
    jax = sys.modules.get("jax")
    if jax is not None and jax.distributed.is_initialized():
        told = [("JAX", jax.process_count(), jax.process_index())]
    else:
        told = [
            (many, int(environ[many]), int(environ[which]))
            for many, which in LAUNCHERS
            if environ.get(many, "").isdecimal() and environ.get(which, "").isdecimal()
        ]
    for whose, many, which in told:
        if world in (0, many):
            return whose, many, which if rank < 0 else rank
    return "--world", world or 1, rank


def shape_of(settings: StreamSettings) -> dict[str, str]:
    """{setting: its text} of the settings that all trainers of a run must have the same of."""
    return {
        each.name: each.text(getattr(settings, each.field))
        for each in settings_of(type(settings))
        if each.decides in SHARED and each.name != "task"
    }


def address_of(bind: Endpoint, shards: Shards) -> Endpoint:
    """Where this trainer listens: each rank has two ports more than the one before it."""
    return Endpoint(bind.host, port_of(bind.port, shards))


def port_of(port: int, shards: Shards) -> int:
    """The port of this trainer, where `port` is that of rank 0. 0: any. Raises ConfigError."""
    own = port + PORTS * shards.rank if port else 0
    if own > 65_535:
        raise ConfigError(
            f"rank {shards.rank} would listen at port {own}, as each rank has {PORTS} ports more "
            f"than the one before: choose a port below {65_536 - PORTS * shards.world}"
        )
    return own
