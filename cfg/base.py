"""Every setting of every program, and the table of hosts.

A field here is at once a flag (``--batch-size``), an environment variable
(``PUSHFIT_BATCH_SIZE``), a key of a row of HOSTS or of `cfg/TASK.py`, and a line of ``--help``.
`cfg/resolve.py` says which of them wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from cfg import hosts, interval
from lib.errors import ConfigError

KiB, MiB, GiB = 2**10, 2**20, 2**30


def about(group: str, description: str, *, unit: str = "", zero: str = "", **limits: Any) -> Any:
    """The Meta of one setting.

    group: its heading in ``--help``.
    unit: bytes | seconds | path | bind | connect; says how text is read and checked.
    zero: what 0 or "" stands for, if not for itself.
    limits: ge, gt, le, lt, …, as in msgspec.Meta.
    """
    extra = {"group": group, "unit": unit, "zero": zero}
    return msgspec.Meta(description=description, extra=extra, **limits)


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What makes the stream of batches: shared by the trainer and the sinks."""

    task: Annotated[str, about("Data", "What a sample is: a task of lib/tasks.")] = "camera"
    links: Annotated[
        str,
        about("Data", "Folder of symbolic links to the data: train, val_images, …", unit="path"),
    ] = "nvmelinks"

    seed: Annotated[
        int, about("Stream", "Fixes the order and every random choice.", ge=0, le=2**32 - 1)
    ] = 0
    epochs: Annotated[int, about("Stream", "Passes over the data.", ge=1)] = 10
    batch_size: Annotated[int, about("Stream", "Patches in one step of fit.", ge=1)] = 32
    patches_per_visit: Annotated[
        int, about("Stream", "Patches cut each time that a training photo is decoded.", ge=1)
    ] = 16
    val_patches_per_visit: Annotated[
        int, about("Stream", "The same, for validation photos.", ge=1)
    ] = 1
    patches_per_epoch: Annotated[
        int,
        about("Stream", "Length of a training epoch.", zero="visit every record once", ge=0),
    ] = 0
    balance: Annotated[bool, about("Stream", "Show every class equally often.")] = False
    order: Annotated[
        Literal["exact", "arrival"],
        about("Stream", "exact: the same batches for any fleet; arrival: first come, first fed."),
    ] = "exact"
    mix_visits: Annotated[
        int,
        about("Stream", "Visits over which the patches of one visit are spread.", zero="off", ge=0),
    ] = 32
    hash: Annotated[
        bool, about("Stream", "SHA-256 of the batches as they are fed: half a second a GB.")
    ] = False

    bind: Annotated[
        str,
        about(
            "Fleet",
            "Address to listen at for generators; beyond this host (0.0.0.0) only with --keys.",
            unit="bind",
        ),
    ] = "tcp://127.0.0.1:12001"
    data_port: Annotated[
        int,
        about(
            "Fleet",
            "Port that samples arrive at.",
            zero="the port of --bind + 1, or any free one if that is 0 or *",
            ge=0,
            le=65_535,
        ),
    ] = 0
    generators: Annotated[
        int, about("Fleet", "Generator processes to start and look after on this host.", ge=0)
    ] = 0
    buffer: Annotated[
        int,
        about(
            "Fleet",
            "Most memory for samples that are under way or waiting.",
            unit="bytes",
            zero="a quarter of this machine's RAM, at most 4GiB",
            ge=0,
        ),
    ] = 0
    lease_bytes: Annotated[
        int,
        about("Fleet", "Samples granted to a generator at a time, about.", unit="bytes", ge=1),
    ] = 8 * MiB
    expiry: Annotated[
        float,
        about(
            "Fleet",
            "A generator that owes samples for so long, and sent none, loses them to another.",
            unit="seconds",
            gt=0,
        ),
    ] = 30.0
    silence: Annotated[
        float,
        about(
            "Fleet",
            "A generator that cannot be reached for so long loses them, too.",
            unit="seconds",
            gt=0,
        ),
    ] = 5.0

    compress: Annotated[
        Literal["none", "auto", "zstd"],
        about(
            "Fleet",
            "Samples on the wire, without loss. auto: each generator packs where that is faster.",
        ),
    ] = "none"
    keys: Annotated[
        str,
        about(
            "Fleet",
            "Folder of this process's keys and of the generators' that it admits.",
            unit="path",
            zero="none, which only a loopback --bind allows",
        ),
    ] = ""
    insecure: Annotated[
        bool,
        about("Fleet", "Bind beyond loopback without keys: whoever reaches the port can join."),
    ] = False
    max_bad: Annotated[
        str,
        about(
            "Fleet",
            "More bad records than this end the run: a number, or a share of the data like 1%.",
            zero="no number does",
        ),
    ] = ""

    progress: Annotated[
        Literal["auto", "bar", "lines"],
        about("Run", "auto: a bar on a terminal, plain lines anywhere else."),
    ] = "auto"

    @property
    def buffer_bytes(self) -> int:
        """`buffer`, or its default on this machine."""
        return self.buffer or min(4 * GiB, hosts.memory_bytes() // 4)


class TrainSettings(StreamSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """train_zmq.py"""

    model: Annotated[str, about("Model", "Body of the network: a name of lib/trainer/models.")] = (
        "mobilenet"
    )
    weights: Annotated[
        str, about("Model", "What the body starts from: none, imagenet, or a file of weights.")
    ] = "none"
    dense1: Annotated[int, about("Model", "Units of the head's first layer.", ge=1)] = 512
    dropout: Annotated[
        float, about("Model", "Share of them dropped in training.", zero="off", ge=0, lt=1)
    ] = 0.3
    dense2: Annotated[int, about("Model", "Units of the head's second layer.", ge=1)] = 128
    highpass: Annotated[
        bool, about("Model", "Show the model each pixel less the mean around it: traces, no scene.")
    ] = False

    optimizer: Annotated[Literal["adam", "sgd"], about("Training", "What moves the weights.")] = (
        "adam"
    )
    learning_rate: Annotated[float, about("Training", "Rate that training starts at.", gt=0)] = 1e-3
    plateau_patience: Annotated[
        int,
        about("Training", "Epochs without progress before the rate drops.", zero="never", ge=0),
    ] = 3
    plateau_factor: Annotated[
        float, about("Training", "What the rate is then multiplied by.", gt=0, lt=1)
    ] = 0.5
    mixed_precision: Annotated[
        bool, about("Training", "Compute in 16 bits where that is safe; needs a recent GPU.")
    ] = False

    deterministic: Annotated[
        bool, about("Training", "Same stream, same weights, bit for bit on this machine; slower.")
    ] = False

    out: Annotated[
        str,
        about("Run", "Folder for all that the run writes.", unit="path", zero="runs/TASK-TIME"),
    ] = ""
    resume: Annotated[
        bool, about("Run", "Go on with the run in OUT, at the batch after its last checkpoint.")
    ] = False
    checkpoint_every: Annotated[
        str,
        about(
            "Run",
            "Save within an epoch, too: every so many batches (500) or minutes (10min).",
            zero="at the end of each epoch only",
        ),
    ] = ""
    tensorboard: Annotated[bool, about("Run", "Write TensorBoard logs to OUT.")] = True

    def __post_init__(self) -> None:
        if self.interval != interval.Interval() and self.order == "arrival":
            raise ConfigError(
                "--checkpoint-every needs --order exact: in order of arrival the batches of an "
                "epoch are others each time, so only its start is a place to go on from"
            )
        if self.resume and not self.out:
            raise ConfigError("--resume needs the folder of the run to go on with: give --out")

    @property
    def interval(self) -> interval.Interval:
        """`checkpoint_every`, read. Raises ConfigError."""
        return interval.parse(self.checkpoint_every)


class SinkSettings(StreamSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """sink_zmq.py"""

    null: Annotated[bool, about("Sink", "Count and hash the stream, keep nothing.")] = False
    report: Annotated[
        str,
        about("Sink", "File for the report, in JSON.", unit="path", zero="print a summary only"),
    ] = ""
    hash: Annotated[
        bool, about("Stream", "SHA-256 of the batches as they arrive: half a second a GB.")
    ] = True


class GeneratorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """generator_zmq.py: it learns everything else from the trainer."""

    connect: Annotated[
        str, about("Generator", "Address of the trainer: its --bind, by name.", unit="connect")
    ] = "tcp://127.0.0.1:12001"
    links: Annotated[
        str,
        about("Generator", "Folder of symbolic links to the data on this host.", unit="path"),
    ] = "nvmelinks"
    key: Annotated[
        str,
        about(
            "Generator",
            "This host's key file, made at the trainer; it holds the trainer's public key, too.",
            unit="path",
            zero="none: the trainer is on this host, or insecure",
        ),
    ] = ""
    processes: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | Literal["auto"],
        about("Generator", "Processes to run; auto: one a core."),
    ] = 1
    stay: Annotated[
        bool, about("Generator", "After the run, wait for the next one instead of ending.")
    ] = False
    log: Annotated[
        Literal["warnings", "info", "leases"],
        about("Generator", "What to print: warnings, also comings and goings, also every lease."),
    ] = "info"

    @property
    def process_count(self) -> int:
        """`processes`, with auto counted on this machine."""
        return hosts.cores() if self.processes == "auto" else self.processes


PROGRAMS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "train_zmq.py": TrainSettings,
    "sink_zmq.py": SinkSettings,
    "generator_zmq.py": GeneratorSettings,
}


class Host(msgspec.Struct, frozen=True):
    """One row: hosts whose name matches `pattern` (as in a shell: * ? [ab]) get `settings`."""

    pattern: str
    settings: Mapping[str, object]


CONTAINER: Final = "container"  # the pattern of the row that every container matches

# As in ~/.ssh/config, the first row that matches and names a setting gives its value: put special
# rows above general ones. A row may name any setting, e.g. for nodes that only run generators:
#     Host("node-*", {"links": "/scratch/links", "connect": "tcp://gpu-box:12001"}),
HOSTS: Final = (
    Host(CONTAINER, {"links": "dockerlinks"}),
    Host("*", {"links": "nvmelinks"}),
)
