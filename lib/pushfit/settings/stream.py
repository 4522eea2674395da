"""The settings that several programs share: the fleet, and the stream of batches."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from pushfit import host_facts, tasks
from pushfit.errors import ConfigError
from pushfit.settings.declaration import Decides, Kept, Placed, about

KiB, MiB, GiB = 2**10, 2**20, 2**30


def of_fleet(description: str, *, group: str = "Fleet", **more: Any) -> Any:
    """The Meta of a setting about generators and how they are reached.

    Its value may change at each start. It has no effect if samples come from a store.
    """
    return about(group, description, kept=Kept.IF_GIVEN, decides=Decides.MAKING, **more)


def task_of_run(group: str) -> Any:
    """The Meta of `task` in a program that works with runs, since a run has its own task."""
    return about(
        group,
        "Python file with the task of a run whose task is not built in.",
        unit="path",
        zero="the file that was named in training, if it has not changed",
        placed=Placed.TASK,
        early=True,
    )


Bind: TypeAlias = Annotated[
    str,
    of_fleet(
        "Address to listen at for generators. An address that other hosts reach, such as "
        "0.0.0.0, needs --keys.",
        unit="bind",
    ),
]
Health: TypeAlias = Annotated[
    str,
    about(
        "Run",
        "Folder in which this process notes that it works, for the health check of a container.",
        unit="path",
        zero="none",
        kept=Kept.NEVER,
        decides=Decides.MAKING,
    ),
]
Generators: TypeAlias = Annotated[int, of_fleet("Generator processes to run on this host.", ge=0)]


class FleetSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How generators reach a program that takes samples, and how many samples it holds."""

    bind: Bind = "tcp://127.0.0.1:12001"
    data_port: Annotated[
        int,
        of_fleet(
            "Port at which samples arrive.",
            zero="the port of --bind + 1, or any free port if --bind has the port 0 or *",
            ge=0,
            le=65_535,
        ),
    ] = 0
    generators: Generators = 0
    buffer: Annotated[
        int,
        of_fleet(
            "Maximum memory for samples that are granted to generators or wait to be trained on.",
            unit="bytes",
            zero="a quarter of this machine's RAM, at most 4GiB",
            ge=0,
        ),
    ] = 0
    lease_bytes: Annotated[
        int,
        of_fleet(
            "Approximate size of the samples in one lease, which is what a generator "
            "is granted at a time.",
            unit="bytes",
            ge=1,
        ),
    ] = 8 * MiB
    expiry: Annotated[
        float,
        of_fleet(
            ("Time without progress after which a generator loses its leases to other generators."),
            unit="seconds",
            gt=0,
        ),
    ] = 30.0
    silence: Annotated[
        float,
        of_fleet(
            "Time without any sign of life after which a generator loses its leases.",
            unit="seconds",
            gt=0,
        ),
    ] = 5.0

    compress: Annotated[
        Literal["none", "auto", "zstd"],
        of_fleet(
            (
                "Lossless compression of samples on the network. auto: each generator "
                "compresses where that is faster."
            ),
        ),
    ] = "none"
    keys: Annotated[
        str,
        of_fleet(
            "Folder with the keys of this process and of the generators that it admits.",
            unit="path",
            zero="none, which is allowed only with a loopback --bind",
        ),
    ] = ""
    insecure: Annotated[
        bool,
        of_fleet(
            "Allow a --bind beyond loopback without keys. Everybody who reaches the "
            "port can then join."
        ),
    ] = False
    max_bad: Annotated[
        str,
        of_fleet(
            ("Number of bad records above which the run ends, or a share of the data such as 1%."),
            zero="5% of the records, but at least 5",
        ),
    ] = ""

    progress: Annotated[
        Literal["auto", "bar", "lines"],
        about(
            "Run",
            "How progress is shown. auto: as a bar on a terminal, else as plain lines.",
            kept=Kept.IF_GIVEN,
        ),
    ] = "auto"
    health: Health = ""

    @property
    def buffer_bytes(self) -> int:
        """`buffer`, or its default on this machine."""
        return self.buffer or min(4 * GiB, host_facts.memory_bytes() // 4)


class StreamSettings(FleetSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of the stream of batches, which the trainer and the sinks share."""

    task: Annotated[
        str,
        about(
            "Data",
            "Task that defines what a sample is: the name of a built-in task, or a FILE.py.",
            unit="name or path",
            suggested=tuple(tasks.TASKS),
            decides=Decides.SAMPLES,
            placed=Placed.TASK,
            early=True,
        ),
    ] = "camera"
    links: Annotated[
        str,
        of_fleet(
            "Folder of symbolic links to the data: train, val_images, …",
            group="Data",
            unit="path",
            placed=Placed.LINKS,
        ),
    ] = "nvmelinks"

    seed: Annotated[
        int,
        about(
            "Stream",
            "Seed of the order and of every random choice.",
            decides=Decides.BATCHES,
            ge=0,
            le=2**32 - 1,
        ),
    ] = 0
    epochs: Annotated[
        int, about("Stream", "Number of passes over the data.", kept=Kept.IF_GIVEN, ge=1)
    ] = 10
    batch_size: Annotated[
        int, about("Stream", "Samples in one batch.", decides=Decides.BATCHES, ge=1)
    ] = 32
    patches_per_visit: Annotated[
        int,
        about(
            "Stream",
            "Samples made each time that a training record is read.",
            decides=Decides.SAMPLES,
            ge=1,
        ),
    ] = 16
    val_patches_per_visit: Annotated[
        int,
        about(
            "Stream",
            "Samples made each time that a validation record is read.",
            decides=Decides.SAMPLES,
            ge=1,
        ),
    ] = 1
    patches_per_epoch: Annotated[
        int,
        about(
            "Stream",
            "Samples in a training epoch.",
            zero="visit every record once",
            decides=Decides.SAMPLES,
            ge=0,
        ),
    ] = 0
    balance: Annotated[
        bool, about("Stream", "Show every class equally often.", decides=Decides.SAMPLES)
    ] = False
    shuffle: Annotated[
        bool,
        about(
            "Stream",
            "Visit the training records in a new random order in each epoch. Without it, they come "
            "in their natural order, by class and path.",
            decides=Decides.SAMPLES,
        ),
    ] = True
    shuffle_groups: Annotated[
        int,
        about(
            "Stream",
            "Number of groups whose training records are shuffled together. The groups (files, "
            "shards or folders, as the task says) come in a new random order in each epoch, so "
            "that storage is read nearly in order.",
            zero="all records are shuffled together",
            decides=Decides.SAMPLES,
            ge=0,
        ),
    ] = 0
    order: Annotated[
        Literal["exact", "arrival"],
        about(
            "Stream",
            (
                "Order of the samples. exact: the same batches for any fleet; arrival: the "
                "order in which samples arrive."
            ),
            decides=Decides.MAKING,
        ),
    ] = "exact"
    mix_visits: Annotated[
        int,
        about(
            "Stream",
            "Number of visits over which the samples of one visit are spread.",
            zero="off",
            decides=Decides.BATCHES,
            ge=0,
        ),
    ] = 32
    shards: Annotated[
        int,
        about(
            "Stream",
            "Number of equal parts that the stream is cut into, for several trainers. The batches "
            "are the same for every number of trainers that divides it.",
            decides=Decides.BATCHES,
            ge=1,
            le=4096,
        ),
    ] = 1
    world: Annotated[
        int,
        of_fleet(
            "Number of trainers of the run, each of which takes as many shards.",
            group="Stream",
            zero="as the launcher says (JAX, torchrun, Slurm), or 1",
            ge=0,
            le=4096,
        ),
    ] = 0
    rank: Annotated[
        int,
        of_fleet(
            "Number of this trainer, from 0. -1: as the launcher says. It listens at the port of "
            "--bind + 2 for each rank before it.",
            group="Stream",
            ge=-1,
            lt=4096,
        ),
    ] = -1
    hash: Annotated[
        bool,
        about(
            "Stream",
            "Compute the SHA-256 of the stream of batches, which takes half a second for each GB.",
        ),
    ] = False

    def __post_init__(self) -> None:
        """Raise ConfigError if settings contradict each other."""
        if self.balance and not self.shuffle:
            raise ConfigError(
                "--no-shuffle keeps the natural order of the records, and --balance draws others "
                "in each epoch: leave one of them out"
            )
        if self.batch_size % self.shards:
            raise ConfigError(
                f"a batch of {self.batch_size} samples cannot be made of {self.shards} shards "
                f"equally: choose a --batch-size that {self.shards} divides, such as "
                f"{-(-self.batch_size // self.shards) * self.shards}"
            )
        if self.shards > 1 and not self.exact:
            raise ConfigError(
                "--order arrival takes samples as they come, and shards have an order that no "
                "trainer decides: leave --order or --shards out"
            )
        if max(self.world, self.rank + 1) > 1 and self.shards == 1:
            raise ConfigError(
                "a run of several trainers needs shards: give --shards, a number that the number "
                "of trainers divides, such as 8 for 1, 2, 4 and 8. It stays the same for a run"
            )
        if self.shuffle_groups and not self.shuffle:
            raise ConfigError(
                "--no-shuffle keeps the natural order of the records, and --shuffle-groups changes "
                "it in each epoch: leave one of them out, or give --shuffle-groups 0 where it is "
                "a default of the task"
            )

    @property
    def exact(self) -> bool:
        """The order policy, as a `Plan` takes it."""
        return self.order == "exact"
