"""What can be set of the camera task."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from pushfit.errors import ConfigError, nearest
from pushfit.tasks.aliases import Aliases
from pushfit.tasks.base import Record
from pushfit.tasks.camera.manipulations import KNOWN
from pushfit.tasks.selection import HeldOut, Only, Without

Name = Literal[
    "jpeg70",
    "jpeg90",
    "resize0.5",
    "resize0.8",
    "resize1.5",
    "resize2.0",
    "gamma0.8",
    "gamma1.2",
]
ALL: tuple[Name, ...] = get_args(Name)
STEPS = {"any": 1, "even": 2, "eight": 8}
MANIPULATED = "_manip"  # the competition's manipulated test photos have names that end in this
LEAST_SIDE = 8  # the smallest patch, in pixels
FEW = 4  # most patches of a visit for which only a part is decoded: more lie all over the photo


class CameraParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of the camera task. Raises ConfigError if they contradict each other."""

    patch: Annotated[
        int,
        Meta(ge=LEAST_SIDE, le=4096, description="Width and height of a patch, in pixels."),
    ] = 224
    classes: Annotated[
        tuple[str, ...],
        Meta(description="The classes in their order; empty: the folders of train, sorted."),
    ] = ()
    aliases: Annotated[
        tuple[str, ...],
        Meta(description="Names of the same class, as NAME=OTHER, for folders of other data sets."),
    ] = ()
    held_out: HeldOut = 0.1
    only: Only = ()
    without: Without = ()
    versions: Annotated[
        Literal["drawn", "all"],
        Meta(
            description="drawn: a patch is manipulated or not, by chance; all: each patch comes "
            "without manipulation and with each of them, as further samples of the visit."
        ),
    ] = "drawn"
    manipulated: Annotated[
        float, Meta(ge=0, le=1, description="Share of the patches that are manipulated.")
    ] = 0.5
    manipulations: Annotated[
        tuple[Name, ...], Meta(description="The manipulations to draw from.")
    ] = ALL
    manipulation_weights: Annotated[
        tuple[Annotated[float, Meta(ge=0)], ...],
        Meta(description="Weight of each manipulation in the draw; empty: all are equal."),
    ] = ()
    offset: Annotated[
        Literal["any", "even", "eight"],
        Meta(description="Where a patch may start: on any pixel, or on multiples of two or eight."),
    ] = "any"
    flips: Annotated[
        bool, Meta(description="Mirror half of the training patches left to right.")
    ] = False
    turns: Annotated[
        bool, Meta(description="Turn training patches by 0, 90, 180 or 270 degrees.")
    ] = False
    aux: Annotated[
        bool, Meta(description="Train a second head of the model that names the manipulation.")
    ] = False
    flag: Annotated[
        bool, Meta(description="Give the model a second input: whether the patch is manipulated.")
    ] = False

    test_grid: Annotated[
        int,
        Meta(
            ge=0,
            le=32,
            description="Crops a side of a test photo, for --grid; 0: none.",
            extra={"internal": True},
        ),
    ] = 0
    test_manipulations: Annotated[
        bool,
        Meta(
            description="Show a test photo under each manipulation, for --each-manipulation.",
            extra={"internal": True},
        ),
    ] = False

    def __post_init__(self) -> None:
        _known("manipulations", self.manipulations, KNOWN)
        _known("offset", (self.offset,), STEPS)
        _unique("manipulations", self.manipulations)
        _unique("classes", self.classes)
        Aliases(self.aliases)
        if len(self.classes) == 1:
            raise ConfigError(
                "classes: a classifier needs two classes; name another, or leave the list empty "
                "for all"
            )
        if self.manipulated and not self.manipulations:
            raise ConfigError(
                f"manipulations: the list is empty, but manipulated is {self.manipulated}; "
                "set manipulated to 0, or name some"
            )
        if self.versions == "all" and not self.manipulations:
            raise ConfigError("versions: with all, manipulations must not be empty: name some")
        if self.versions == "all" and self.manipulation_weights:
            raise ConfigError(
                "manipulation_weights: with versions all, every manipulation is made anyway; leave "
                "one of the two out"
            )
        weights, names = self.manipulation_weights, self.manipulations
        if weights and len(weights) != len(names):
            raise ConfigError(
                f"manipulation_weights: {len(weights)} numbers for {len(names)} manipulations "
                f"({', '.join(names)}); give one for each, or none"
            )
        if weights and not (min(weights) >= 0 and 0 < sum(weights) < float("inf")):
            raise ConfigError(f"manipulation_weights: {weights} must be 0 or more, and not all 0")


def is_manipulated(record: Record) -> bool:
    """Return whether a test photo was manipulated before, by its name."""
    return Path(record.path).stem.endswith(MANIPULATED)


def _known(field: str, words: Iterable[str], known: Iterable[str]) -> None:
    for word in words:
        if word not in known:
            raise ConfigError(
                f"{field}: there is no {word!r}{nearest(word, known)} (known: {', '.join(known)})"
            )


def _unique(field: str, words: tuple[str, ...]) -> None:
    for word in words:
        if words.count(word) > 1:
            raise ConfigError(f"{field}: {word!r} is listed twice; name it once")
