"""THE format of a stored stream: a folder of HDF5 files that h5py, HDFView and h5ls can read.

    DIR/store.json              a description of the stream, `Store`; written before any shard
    DIR/config.json             the settings of the stream, as in a run
    DIR/train-0000-00000.h5     a **shard**: split, epoch, number within both
    DIR/val-0000-00000.h5
    DIR/report.json             as in a run, when the sink has ended; `ended`: the store is complete
    DIR/quarantine.jsonl        bad records
    DIR/.….tmp                  the shard being written (`pushfit/files.py`), not part of the store

A shard holds the samples of visits first … first + count - 1 of one split of one epoch, in the
order of the plan, with the K samples of a visit side by side. They are not mixed. So sample visit ·
K + patch of a stored epoch is the sample with that number in a live one, and a replay mixes and
batches by the live rules. Validation has the same samples in every epoch, so it is stored once.

Datasets, n = count · K rows each:

    images, labels, manipulation, …     the task's arrays (`dataset`), in chunks of a **group**
    path                                path of the record of each sample, UTF-8
    crc32                               for each group, over the bytes of its arrays, in their order
    bad                                 the visits whose record was substituted; usually none
    classes                             the names of the classes, UTF-8

The attributes of the file are its `header`. After the end of the file, as HDF5 sees it, is a
`seal`. A group is the unit of compression and of shuffled reading. It has as many visits as make
about a megabyte, since a disk delivers a megabyte about as fast as a kilobyte.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from pushfit.errors import DataError
from pushfit.files import replacing
from pushfit.installation import typed
from pushfit.tasks.base import ArraySpec
from pushfit.tasks.facts import Fact

FORMAT, VERSION = "pushfit-stream", 1
STORE = "store.json"
GROUP_BYTES = 2**20
MOST_GROUP_BYTES = 2**34  # a group may be one large visit
SHARD_BYTES = 64 * 2**20  # what a kill can lose, and what the writer holds in memory
SHARD_GROUPS = 64  # with more, HDF5 would put a second page of its index between the chunks
_PLURAL = {"image": "images", "label": "labels"}  # the names that HDF5 files of images have


def dataset(array: str) -> str:
    """The name of the dataset that holds the task's array of this name."""
    return _PLURAL.get(array, array)


Count = Annotated[int, msgspec.Meta(ge=1, le=2**40)]


class Split(msgspec.Struct, frozen=True):
    """How one split is stored.

    visits: visits of an epoch.
    patches: K, the samples of a visit.
    epochs: the number of stored epochs.
    group: visits of a chunk; the last one of an epoch may be smaller.
    shard: visits of a file, a multiple of `group`; the last one of an epoch may be smaller.
    """

    visits: Count
    patches: Count
    epochs: Count
    group: Count
    shard: Count

    def __post_init__(self) -> None:
        """Raise ValueError if the fields are invalid; msgspec turns it into a ValidationError."""
        if self.shard % self.group:
            raise ValueError(f"shard ({self.shard}) is not a multiple of group ({self.group})")

    @classmethod
    def sized(cls, visits: int, patches: int, epochs: int, sample_bytes: int) -> Split:
        """A split with groups and shards of about GROUP_BYTES and SHARD_BYTES."""
        visit = patches * sample_bytes
        group = max(1, GROUP_BYTES // visit)
        groups = min(max(1, SHARD_BYTES // (group * visit)), SHARD_GROUPS)
        return cls(visits, patches, epochs, group, group * groups)

    @property
    def shards(self) -> int:
        """The number of files of an epoch."""
        return -(-self.visits // self.shard)

    def span(self, number: int) -> tuple[int, int]:
        """(first visit, number of visits) of a shard of an epoch."""
        first = number * self.shard
        return first, min(self.shard, self.visits - first)


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """store.json: the description of a stored stream.

    classes, counts, fingerprint, facts: those of the data set.
    visiting: the digest of its weights and groups, as in `StreamState`; a replay does not need
        these, since visits are stored in their order.
    source: the hash of the task's code (`compatibility.source_of`).
    batch_size, mix_visits: the defaults of a replay, with which its batches are the live ones.
    compress: the compression of chunks, `none` or the name of a filter.
    """

    version: int = VERSION
    run: str
    task: str
    source: str
    params: dict[str, object]
    seed: int
    batch_size: int
    mix_visits: int
    classes: tuple[str, ...]
    counts: dict[str, list[int]]
    fingerprint: str
    arrays: tuple[ArraySpec, ...]
    splits: dict[str, Split]
    compress: str = "none"
    facts: dict[str, Fact] = {}
    visiting: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Raise ValueError if the fields are invalid, as in `Split`."""
        if not self.arrays or not self.splits or not self.classes:
            raise ValueError("it has no arrays, no splits or no classes")
        for spec in self.arrays:
            try:
                numbers = np.dtype(spec.dtype).kind in "biuf"
            except TypeError:
                numbers = False
            if not numbers or not all(0 < side < 2**31 for side in spec.shape):
                raise ValueError(f"the array {spec.name!r} is {spec.dtype} of {spec.shape}")
        for name, split in self.splits.items():
            if self.sample_bytes * split.patches * split.group > MOST_GROUP_BYTES:
                raise ValueError(
                    f"a group of {name} would have more than {MOST_GROUP_BYTES:,} bytes"
                )

    @property
    def sample_bytes(self) -> int:
        return sum(spec.nbytes for spec in self.arrays)

    def header(self, split: str, epoch: int, number: int) -> dict[str, str | int]:
        """The attributes of a shard's file; `first` and `count` in it number its visits."""
        first, count = self.splits[split].span(number)
        return {
            "format": FORMAT,
            "version": self.version,
            "run": self.run,
            "task": self.task,
            "params": msgspec.json.encode(self.params).decode(),
            "seed": self.seed,
            "split": split,
            "epoch": epoch,
            "first": first,
            "count": count,
            "patches": self.splits[split].patches,
            "fingerprint": self.fingerprint,
        }


def crc32(arrays: Iterable[np.ndarray]) -> int:
    """The CRC-32 over the bytes of the arrays, one after the other, as stored for a group."""
    crc = 0
    for array in arrays:
        crc = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, crc)
    return crc


def shard_path(folder: Path, split: str, epoch: int, number: int) -> Path:
    return folder / f"{split}-{epoch:04}-{number:05}.h5"


def shard_paths(folder: Path) -> list[Path]:
    """The complete shards in the folder, of any store."""
    return sorted(folder.glob("[!.]*.h5"))


def write(folder: Path, store: Store) -> None:
    """Write store.json."""
    with replacing(folder / STORE) as path:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(store)))


def _instead(folder: Path) -> str:
    """A sentence about HDF5 files that no sink has stored; ``""``: there are none."""
    files = [folder] if folder.is_file() else shard_paths(folder)
    if not files:
        return ""
    links = folder.parent if folder.is_file() else folder
    return (
        f"{folder} is not a stored stream, as there is no {STORE}. To train on images in HDF5 "
        f"files of other programs, use --task hdf5 --links {links} --generators 1 (docs/hdf5.md)"
    )


def read(folder: Path) -> Store:
    """Read store.json. Raises DataError, which says what is wrong and what to do."""
    path = folder / STORE
    how = f"make one with: {typed('sink')} --task camera --epochs 1 --out DIR"
    try:
        store = msgspec.json.decode(path.read_bytes(), type=Store)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            _instead(folder) or f"{folder} holds no stored stream, as it has no {STORE}: {how}"
        ) from None
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise DataError(
            f"cannot read {path}: {error}. Does it belong to a stored stream? {how}"
        ) from error
    if store.version != VERSION:
        raise DataError(
            f"{folder} was stored in version {store.version} of the format, but this PushFit has "
            f"version {VERSION}: read it with the PushFit that made it, or store the stream again"
        )
    return store
