"""The settings of a stream that may come from a store instead of a fleet: of training, and of
`pushfit.stream`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from pushfit.errors import ConfigError
from pushfit.settings.declaration import Decides, Kept, Placed, about
from pushfit.settings.stream import StreamSettings

LEAST_CROP = 8  # least side of a crop in pixels


class StoredSettings(StreamSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stream from a fleet, or with `from_` from a folder of HDF5 files."""

    from_: Annotated[
        str,
        about(
            "Data",
            "Folder of a stored stream, which was --out of the sink, to train from.",
            unit="path",
            zero="none, since generators make the samples",
            kept=Kept.IF_GIVEN,
            placed=Placed.FOLDER,
            early=True,
        ),
    ] = msgspec.field(default="", name="from")
    val_from: Annotated[
        str,
        about(
            "Data",
            ("Folder of a stored stream to validate on: its split val, or train if it has no val."),
            unit="path",
            zero="validate on the data of training",
            kept=Kept.IF_GIVEN,
            placed=Placed.FOLDER,
        ),
    ] = ""

    crop: Annotated[
        int,
        about(
            "Data",
            (
                "Side of the square that is cut from each stored sample, in pixels. In "
                "training its position is random and new in each epoch; in validation it "
                "is the middle."
            ),
            zero="the whole sample",
            ge=0,
            le=8192,
        ),
    ] = 0

    drop_last: Annotated[
        bool,
        about(
            "Stream",
            "Leave out the last batch of each training epoch if it has fewer samples than "
            "--batch-size. The audit counts its samples as skipped. Validation leaves none out.",
            decides=Decides.STEPS,
        ),
    ] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shards > 1 and (self.from_ or self.val_from):
            raise ConfigError(
                f"--{'from' if self.from_ else 'val-from'} names a stored stream, which is not cut "
                "into shards: leave --shards out, or let generators make the samples"
            )
        if self.crop and not self.from_:
            raise ConfigError(
                "--crop works only with a stored stream: give --from, too, or let generators make "
                "smaller samples (--patch)"
            )
        if 0 < self.crop < LEAST_CROP:
            raise ConfigError(
                f"--crop {self.crop}: the side of a sample must be at least {LEAST_CROP} pixels"
            )
