"""What a task is: how to list records, read one, and draw samples from it.

A task is pure Python and numpy. It runs in every generator process and, for its names and shapes
alone, in the trainer. A visit to a record goes through four calls, in this order:

    scan(links)               once a process: the data set behind a links folder
    read(links, record)       what `decode` takes: bytes    (I/O: an OSError is tried elsewhere)
    decode_for(data, …)       whatever `sample` needs       (BadRecord: listed and substituted)
    sample(item, record, …)   one sample, K times a visit   (a pure function of its arguments)

Bit-identity over any fleet rests on `sample` using no randomness but the generator it is given.

A `BlockTask` can also make many samples in one call, from arrays. docs/your-own-task.md shows how a
task is written; `checks` holds one to what it says here.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np

from lib.errors import ConfigError, DataError

TRAIN, VAL, TEST = "train", "val", "test"
UNKNOWN = -1  # the label of a test sample that has none

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
    """What a links folder holds. Records of a split are sorted by (label, path).

    What is to be predicted is of one pseudo-class, so that its records stay in their own order.
    """

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


class NoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a task that can be told nothing."""


class Task(ABC):
    """The interface. Subclass it, set `name`, and fill in the abstract methods.

    name: lower-case letters, digits and _; what the wire, reports and people call it.
    Params: what it can be told; each field is a flag, as those of cfg/base.py are.
    row: defaults of any setting, as ROW of cfg/TASK.py has them for a built-in task.
    loss, metrics: as `compile` of a Keras model takes them, by name or {output: …}; None: for class
        numbers, with accuracy. Of any other targets only the task knows what to make of them.
    submission: the columns of a submission.
    upright: whether pictures for `from_picture` are turned as their EXIF data says.
    source: of a task from a file of a user's own, the hash of what it is made of (see `own`).
    """

    name: ClassVar[str]
    Params: ClassVar[type[msgspec.Struct]] = NoParams
    row: ClassVar[Mapping[str, object]] = {}
    loss: ClassVar[Any] = None
    metrics: ClassVar[Any] = None
    submission: ClassVar[tuple[str, str]] = ("id", "label")
    source: ClassVar[str] = ""
    upright: ClassVar[bool] = True

    def __init__(self, params: msgspec.Struct) -> None:
        self.params = params

    @abstractmethod
    def scan(self, links: Path) -> DataSet:
        """List every record behind `links`. Raises DataError, saying how to mend it."""

    def scan_test(self, links: Path) -> DataSet:
        """The records to predict, as the only class of the split TEST, in the order of their rows.

        Sample 0 of a record is the record as it is, others are drawn as in training. Where there is
        an array `label`, it holds the true label or UNKNOWN. Raises DataError.
        """
        raise DataError(f"the task {self.name} does not say what its test records are (scan_test)")

    def scan_for(self, links: Path, splits: Collection[str]) -> DataSet:
        """What a stream of `splits` needs: the test records, or all others. Raises DataError."""
        return self.scan_test(links) if TEST in splits else self.scan(links)

    def submission_id(self, number: int, path: str) -> str:
        """What stands for test record `number` (from 0), at `path`, in a submission."""
        return path.rpartition("/")[2]

    @abstractmethod
    def arrays(self) -> tuple[ArraySpec, ...]:
        """The arrays of one sample, in the order in which they go over the wire."""

    def read(self, links: Path, record: Record) -> Any:
        """The record's bytes, or what else `decode` takes, e.g. the bytes of two files.

        Raises OSError, which is retried on another generator.
        """
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

    def from_picture(self, picture: np.ndarray) -> Mapping[str, Any]:
        """A sample as `sample` gives it, of a picture that somebody sent; its label is UNKNOWN.

        picture: (H, W, 3) uint8 of any size, transparency laid over white. Raises BadRecord, saying
        what to send instead. For serve.py alone: a task without it cannot be served (ConfigError).
        """
        raise ConfigError(
            f"the task {self.name} does not say how a picture becomes a sample, so it cannot be "
            "served: give it a method from_picture (lib/tasks/base.py says what that returns)"
        )

    def model_needs(self) -> Mapping[str, Any]:
        """Arguments of `trainer.models.build` that follow from the task. Raises ConfigError."""
        image = next((spec for spec in self.arrays() if spec.name == "image"), None)
        if image is None or image.dtype != "uint8" or len(image.shape) != 3:
            raise ConfigError(
                f"task {self.name}: --model looks at an array 'image', uint8 of (H, W, channels), "
                "and there is none: give the task a build_model (docs/your-own-task.md)"
            )
        return {"patch": image.shape}

    def build_model(self, classes: int) -> Any:
        """A `keras.Model` of the task's own, not compiled; None: --model says which one.

        Runs in the trainer alone, which has Keras: import it inside.
        """
        return None

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
        self, links: Path, split: str, records: np.ndarray, patches: np.ndarray, draws: Draws
    ) -> Mapping[str, np.ndarray]:
        """Sample number `patches[i]` of a visit to `records[i]`, for each i: {name: (n, *shape)}.

        records: (n,) int64 numbers within `split`; patches: (n,) int64. `scan` was called before,
        with the same `links`. `draws` may be called once.
        """


def check_served(task: Task) -> None:
    """Raises ConfigError where the task cannot be served."""
    if type(task).from_picture is Task.from_picture:
        task.from_picture(np.zeros((1, 1, 3), np.uint8))  # which says so
