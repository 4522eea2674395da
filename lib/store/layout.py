"""THE format of a stored stream: a folder of HDF5 files that h5py, HDFView and h5ls read as well.

    DIR/store.json              what the stream is: `Store`; written before any shard
    DIR/config.json             the settings that it was made with, as a run's
    DIR/train-0000-00000.h5     a **shard**: split, epoch, number within both
    DIR/val-0000-00000.h5
    DIR/report.json             as a run's, once the stream is whole
    DIR/quarantine.jsonl        bad records
    DIR/.….tmp                  the shard being written (`lib/files.py`): no part of the store

A shard holds the samples of visits first … first + count - 1 of one split of one epoch, visit by
visit as the plan has them, the K patches of a visit side by side; nothing is mixed. So sample
visit · K + patch of a stored epoch is the sample of that number in a live one, and a replay mixes
and batches by the live rules. Validation has the same samples every epoch: it is stored once.

Datasets, n = count · K rows each:

    images, labels, manipulation, …     the task's arrays (`dataset`), in chunks of a **group**
    path                                UTF-8, of the record that the sample was drawn from
    crc32                               of each group: of its arrays' bytes, in the task's order
    bad                                 the visits whose record was substituted; mostly none
    classes                             the names that the labels number, UTF-8

Attributes of the file: `header`. Behind its end, as HDF5 sees it: a `seal`. A group is as many
visits as make about a megabyte: the unit of compression and of shuffled reading: a disk gives a
megabyte about as fast as a kilobyte.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from lib.errors import DataError
from lib.files import replacing
from lib.tasks.base import ArraySpec

FORMAT, VERSION = "pushfit-stream", 1
STORE = "store.json"
GROUP_BYTES = 2**20
SHARD_BYTES = 64 * 2**20  # what a kill can lose, and what the writer holds in memory
SHARD_GROUPS = 64  # at most: HDF5 would put a second page of its index between the chunks of more
_PLURAL = {"image": "images", "label": "labels"}  # the names that HDF5 files of images have


def dataset(array: str) -> str:
    """The name of the dataset that holds the task's array of this name."""
    return _PLURAL.get(array, array)


class Split(msgspec.Struct, frozen=True):
    """How one split is stored. visits: of an epoch; patches: K; epochs: that are stored.

    group: visits of a chunk; shard: visits of a file, a multiple of `group`. The last of an epoch
    may be smaller.
    """

    visits: int
    patches: int
    epochs: int
    group: int
    shard: int

    @classmethod
    def sized(cls, visits: int, patches: int, epochs: int, sample_bytes: int) -> Split:
        """With groups and shards of about GROUP_BYTES and SHARD_BYTES."""
        visit = patches * sample_bytes
        group = max(1, GROUP_BYTES // visit)
        groups = min(max(1, SHARD_BYTES // (group * visit)), SHARD_GROUPS)
        return cls(visits, patches, epochs, group, group * groups)

    @property
    def shards(self) -> int:
        """Files of an epoch."""
        return -(-self.visits // self.shard)

    def span(self, number: int) -> tuple[int, int]:
        """(first visit, visits) of a shard of an epoch."""
        first = number * self.shard
        return first, min(self.shard, self.visits - first)


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """store.json: what a stored stream is.

    classes, counts, fingerprint: of the data set; source: of the tasks (`identity.source_with`).
    batch_size, mix_visits: what a replay has by default, so that its batches are the live ones.
    compress: how chunks are packed, `none` or the name of a filter.
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

    @property
    def sample_bytes(self) -> int:
        return sum(spec.nbytes for spec in self.arrays)

    def header(self, split: str, epoch: int, number: int) -> dict[str, str | int]:
        """The attributes of a shard's file. first, count: of its visits."""
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
    """Of the bytes of the arrays, one after the other: what `crc32` has of a group."""
    crc = 0
    for array in arrays:
        crc = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, crc)
    return crc


def shard_path(folder: Path, split: str, epoch: int, number: int) -> Path:
    return folder / f"{split}-{epoch:04}-{number:05}.h5"


def shard_paths(folder: Path) -> list[Path]:
    """Those that are in the folder, whole; of whatever store."""
    return sorted(folder.glob("[!.]*.h5"))


def write(folder: Path, store: Store) -> None:
    """Write store.json."""
    with replacing(folder / STORE) as path:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(store)))


def read(folder: Path) -> Store:
    """Read store.json. Raises DataError, saying what is wrong and what to do."""
    path = folder / STORE
    how = "make one with: python sink_zmq.py --task camera --epochs 1 --out DIR"
    try:
        store = msgspec.json.decode(path.read_bytes(), type=Store)
    except FileNotFoundError:
        raise DataError(f"{folder} holds no stored stream, as it has no {STORE}: {how}") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(f"cannot read {path}: {error}. Is it of a stored stream? {how}") from error
    if store.version != VERSION:
        raise DataError(
            f"{folder} was stored in version {store.version} of the format, and this is version "
            f"{VERSION}: read it with the PushFit that made it, or store the stream again"
        )
    return store
