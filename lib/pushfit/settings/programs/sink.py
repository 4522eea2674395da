"""Settings of sink_zmq.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pushfit.errors import ConfigError
from pushfit.settings.declaration import Kept, about
from pushfit.settings.stream import StreamSettings


class SinkSettings(StreamSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of sink_zmq.py."""

    null: Annotated[bool, about("Sink", "Count and hash the stream, but store nothing.")] = False
    out: Annotated[
        str,
        about(
            "Sink",
            "Folder to store the stream in, as HDF5 files.",
            unit="path",
            zero="no folder",
            kept=Kept.NEVER,
            early=True,
        ),
    ] = ""
    resume: Annotated[
        bool,
        about(
            "Sink",
            "Resume storing in OUT, after the last complete file.",
            kept=Kept.NEVER,
            early=True,
        ),
    ] = False
    hdf5_filter: Annotated[
        Literal["none", "lz4", "blosc", "zstd"],
        about(
            "Sink",
            "Lossless compression of the HDF5 files. Files with none are the fastest to read.",
        ),
    ] = "none"
    report: Annotated[
        str,
        about(
            "Sink",
            "JSON file for the report.",
            unit="path",
            zero="print a summary only",
            kept=Kept.IF_GIVEN,
        ),
    ] = ""
    hash: Annotated[
        bool,
        about(
            "Stream",
            "Compute the SHA-256 of the stream of batches, which takes half a second for each GB.",
        ),
    ] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resume and not self.out:
            raise ConfigError("--resume needs the folder of the stream to continue: give --out")
        if self.out and not self.exact:
            raise ConfigError(
                "--out needs --order exact: in order of arrival the stored samples could not be "
                "told apart"
            )
        if self.out and self.shards > 1:
            raise ConfigError(
                "--out stores a whole stream, for one trainer: leave --shards out, or store nothing"
            )
        if self.hdf5_filter != "none" and not self.out:
            raise ConfigError("--hdf5-filter has an effect only on stored files: give --out, too")
