"""What a task is: how to list records, read one, and draw samples from it.

A task is pure Python and numpy. It runs in every generator process and, for its names and shapes
alone, in the trainer. A visit to a record goes through four calls, in this order:

    scan(links)               once a process: the data set behind a links folder
    read(links, record)       bytes of one record           (I/O: an OSError is tried elsewhere)
    decode_for(data, …)       whatever `sample` needs       (BadRecord: listed and substituted)
    sample(item, record, …)   one sample, K times a visit   (a pure function of its arguments)

Bit-identity over any fleet rests on `sample` using no randomness but the generator it is given.

A `BlockTask` can also make many samples in one call, from arrays.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np

TRAIN, VAL, TEST = "train", "val", "test"

# draws(count) → (n, count) float64: what `rng.random(count)` gives each of n samples.
Draws = Callable[[int], np.ndarray]


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One file (or row) of the data set.

    path: relative to the links folder, with `/` between its parts, e.g. ``train/iPhone-6/1.jpg``.
    size: bytes; part of the fingerprint.
    label: index into `DataSet.classes`.
    """

    path: str
    size: int
    label: int


class DataSet(msgspec.Struct, frozen=True):
    """What a links folder holds. Records of a split are sorted by (label, path)."""

    classes: tuple[str, ...]
    splits: dict[str, tuple[Record, ...]]

    def counts(self) -> dict[str, list[int]]:
        """Records per class, in class order, for every split."""
        return {
            split: np.bincount([r.label for r in records], minlength=len(self.classes)).tolist()
            for split, records in self.splits.items()
        }

    def fingerprint(self) -> str:
        """SHA-256 over classes, relative paths and sizes: equal data, equal fingerprint."""
        digest = hashlib.sha256(msgspec.msgpack.encode(self.classes))
        for split in sorted(self.splits):
            digest.update(msgspec.msgpack.encode((split, self.splits[split])))
        return digest.hexdigest()


class ArraySpec(msgspec.Struct, frozen=True, array_like=True):
    """One array of a sample: its name, numpy dtype string (e.g. ``"uint8"``) and shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


class Task(ABC):
    """The interface. Subclass it, set `name` and `Params`, and fill in the abstract methods."""

    name: ClassVar[str]
    Params: ClassVar[type[msgspec.Struct]]

    def __init__(self, params: msgspec.Struct) -> None:
        self.params = params

    @abstractmethod
    def scan(self, links: Path) -> DataSet:
        """List every record behind `links`. Raises DataError, saying how to mend it."""

    @abstractmethod
    def arrays(self) -> tuple[ArraySpec, ...]:
        """The arrays of one sample, in the order in which they go over the wire."""

    def read(self, links: Path, record: Record) -> bytes:
        """The record's bytes. Raises OSError, which is retried on another generator."""
        return (links / record.path).read_bytes()

    @abstractmethod
    def decode(self, data: bytes, record: Record) -> Any:
        """What `sample` draws from, e.g. an (H, W, 3) uint8 photo. Raises BadRecord."""

    def decode_for(
        self, data: bytes, record: Record, split: str, rngs: Iterator[np.random.Generator]
    ) -> Any:
        """`decode` for the samples of one visit and no others. Raises BadRecord.

        rngs: for each sample, in order, a generator in the state in which `sample` gets its own.
        A task that can tell from them what it needs of a record, and decode no more, overrides
        this; samples and verdict have to be those of `decode`.
        """
        return self.decode(data, record)

    @abstractmethod
    def sample(
        self, item: Any, record: Record, split: str, patch: int, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        """Sample number `patch` of a visit: {array name: value of the spec's dtype and shape}."""

    @abstractmethod
    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        """(x, y) for `model.fit` from a batch: {array name: (B, *shape)}. Runs in the trainer."""

    def model_needs(self) -> Mapping[str, Any]:
        """Arguments of `trainer.models.build` that follow from the task."""
        image = next(spec for spec in self.arrays() if spec.name == "image")
        return {"patch": image.shape}

    def pictures(self, batch: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """(B, H, W, 3) uint8 for the contact sheet, or None where a sample is no picture."""
        return batch.get("image")

    def caption(self, batch: Mapping[str, np.ndarray], i: int, classes: tuple[str, ...]) -> str:
        """What to write under sample `i` of a batch on a contact sheet; ``""``: nothing."""
        return ""


class BlockTask(Task):
    """A task of samples so small that a step of Python for each would cost more than its making.

    Where a lease has no record that needs care, `block` makes it; else, and where `block` raises,
    it is made visit by visit as any other, and what is bad is found and named. So both ways must
    give the same samples, to the bit.
    """

    @abstractmethod
    def block(
        self, links: Path, split: str, records: np.ndarray, draws: Draws
    ) -> Mapping[str, np.ndarray]:
        """One sample of each of `records`, (n,) int64 numbers within `split`: {name: (n, *shape)}.

        `scan` was called before, with the same `links`. `draws` may be called once.
        """
