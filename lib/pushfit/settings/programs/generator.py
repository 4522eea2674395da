"""Settings of generator_zmq.py."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from pushfit import host_facts
from pushfit.errors import ConfigError
from pushfit.settings.declaration import Placed, about
from pushfit.settings.stream import Health


class GeneratorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of generator_zmq.py. It gets everything else from the trainer."""

    connect: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1)], ...],
        about(
            "Generator",
            (
                "Address of the trainer, as tcp://HOST:PORT with the port of its --bind. "
                "A generator with several trainers works for them by turns."
            ),
            unit="connect",
        ),
    ] = ("tcp://127.0.0.1:12001",)
    links: Annotated[
        str,
        about(
            "Generator",
            "Folder of symbolic links to this host's data.",
            unit="path",
            placed=Placed.LINKS,
        ),
    ] = "nvmelinks"
    task: Annotated[
        str,
        about(
            "Generator",
            "FILE.py with the task, if the trainer runs a task from a file. Both files must be "
            "the same.",
            unit="name or path",
            zero="the built-in task that the trainer runs",
            placed=Placed.TASK,
            early=True,
        ),
    ] = ""
    key: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1)], ...],
        about(
            "Generator",
            (
                "This host's key file, made at the trainer with `pushfit keys make`. With "
                "several trainers: one file if they share a folder of keys, else one file "
                "for each, in the order of --connect; none for a trainer without keys."
            ),
            unit="path",
            zero="none, for a trainer on this host or with --insecure",
        ),
    ] = ()
    processes: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | Literal["auto"],
        about("Generator", "Number of generator processes to run. auto: one for each core."),
    ] = 1
    stint: Annotated[
        float,
        about(
            "Generator",
            (
                "With more trainers than processes: the time for which a process works "
                "for one trainer before it moves to a trainer that has none."
            ),
            unit="seconds",
            gt=0,
        ),
    ] = 10.0
    stay: Annotated[
        bool, about("Generator", "Wait for the next run when a run has ended, instead of exiting.")
    ] = False
    health: Health = ""
    log: Annotated[
        Literal["warnings", "info", "leases"],
        about(
            "Generator",
            (
                "What is printed. warnings: warnings only; info: also when the generator "
                "joins or leaves a trainer; leases: also every lease."
            ),
        ),
    ] = "info"

    def __post_init__(self) -> None:
        for address in self.connect:
            if self.connect.count(address) > 1:
                raise ConfigError(f"--connect names {address} twice: give each trainer once")
        if not self.connect:
            raise ConfigError("--connect names no trainer: give the address of one")
        if len(self.key) not in (0, 1, len(self.connect)):
            raise ConfigError(
                f"--connect names {_count(self.connect, 'address')} and --key "
                f"{_count(self.key, 'file')}: give one file for each, in the order of the "
                "addresses (none for a trainer without keys), or one for all where the trainers "
                "share a folder of keys"
            )

    @property
    def keys(self) -> tuple[str, ...]:
        """The key file for each address; "": none."""
        each = self.key * len(self.connect) if len(self.key) == 1 else self.key
        return tuple("" if key == "none" else key for key in each) or ("",) * len(self.connect)

    @property
    def process_count(self) -> int:
        """`processes`, with auto counted on this machine."""
        return host_facts.cores() if self.processes == "auto" else self.processes


def _count(words: tuple[str, ...], noun: str) -> str:
    ending = "" if len(words) == 1 else "es" if noun.endswith("s") else "s"
    return f"{len(words)} {noun}{ending}"
