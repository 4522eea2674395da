"""The settings that several programs share: how generators reach them, and what the stream is."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from cfg import hosts

KiB, MiB, GiB = 2**10, 2**20, 2**30


def about(
    group: str, description: str, *, unit: str = "", zero: str = "", bare: str = "", **limits: Any
) -> Any:
    """The Meta of one setting.

    group: its heading in ``--help``.
    unit: bytes | seconds | path | bind | connect; says how text is read and checked.
    zero: what 0 or "" stands for, if not for itself.
    bare: what the flag means where no value follows it; "": one must.
    limits: ge, gt, le, lt, …, as in msgspec.Meta.
    """
    extra = {"group": group, "unit": unit, "zero": zero, "bare": bare}
    return msgspec.Meta(description=description, extra=extra, **limits)


Bind: TypeAlias = Annotated[
    str,
    about(
        "Fleet",
        "Address to listen at for generators; beyond this host (0.0.0.0) only with --keys.",
        unit="bind",
    ),
]
Health: TypeAlias = Annotated[
    str,
    about(
        "Run",
        "Folder to note in that this process works, for the health check of a container.",
        unit="path",
        zero="none",
    ),
]
Generators: TypeAlias = Annotated[
    int, about("Fleet", "Generator processes to start and look after on this host.", ge=0)
]


class FleetSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How generators reach a program that takes their samples, and how much of them it holds."""

    bind: Bind = "tcp://127.0.0.1:12001"
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
    generators: Generators = 0
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
    health: Health = ""

    @property
    def buffer_bytes(self) -> int:
        """`buffer`, or its default on this machine."""
        return self.buffer or min(4 * GiB, hosts.memory_bytes() // 4)


class StreamSettings(FleetSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What makes the stream of batches: shared by the trainer and the sinks."""

    task: Annotated[
        str, about("Data", "What a sample is: a task of lib/tasks, or a FILE.py with one.")
    ] = "camera"
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
