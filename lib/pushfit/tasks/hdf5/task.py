"""Labelled images in HDF5 files of other programs. A row of a dataset is a record.

    --task hdf5 --links DIR --shape 96,96,3 [--images data --labels y]

- `files` finds the datasets by their names; `images` and `labels` describe what they may hold.
- A record is called `FILE/DATASET/ROW`. The fingerprint has the labels, the number of images and
  their shape, and through `DataSet.version` some of the images. So files with the same content are
  the same data set, however they are compressed.
- A square of side --cut is cut from each image: at random in training, where it may also be
  mirrored, else in the middle.
- The names of classes come from --classes, or else from the file, or else from labels that are
  text; else classes are called by their numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from pushfit.errors import BadRecord, ConfigError, DataError
from pushfit.tasks import resizing
from pushfit.tasks.base import (
    TEST,
    TRAIN,
    UNKNOWN,
    VAL,
    ArraySpec,
    BlockTask,
    DataSet,
    Draws,
    Record,
    RecordTable,
)
from pushfit.tasks.checks import spread
from pushfit.tasks.flips import AXES, Flip, mirrored
from pushfit.tasks.hdf5 import files
from pushfit.tasks.hdf5 import images as hdf5_images
from pushfit.tasks.hdf5 import labels as hdf5_labels
from pushfit.tasks.hdf5.files import Pair
from pushfit.tasks.hdf5.images import Images
from pushfit.tasks.hdf5.labels import Labels
from pushfit.tasks.records import parted
from pushfit.tasks.selection import HeldOut

LOOKED_AT = 16  # images of each split that are compared between hosts
# A sample draws two numbers for its position, down and right, then one for each mirror axis.
PLACES = 2


class Hdf5Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of the task. Raises ConfigError if they contradict each other."""

    shape: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=8192)], ...],
        Meta(description="Height, width and channels of the images in the files."),
    ] = (32, 32, 3)
    cut: Annotated[
        int,
        Meta(
            ge=0,
            le=8192,
            description="Side of the square to cut from each image, in pixels: at random in "
            "training, else in the middle; 0: the whole image.",
        ),
    ] = 0
    images: Annotated[
        str, Meta(description="Dataset of the images; empty: images, image, data, x, …")
    ] = ""
    labels: Annotated[
        str, Meta(description="Dataset of their classes; empty: labels, label, target, y, …")
    ] = ""
    classes: Annotated[
        tuple[str, ...],
        Meta(description="Names of the classes in their order; empty: as the file has them."),
    ] = ()
    white: Annotated[
        float,
        Meta(
            ge=0,
            description="Value that is white in the images: 1, 65535, …; 0: they are bytes.",
        ),
    ] = 0.0
    held_out: HeldOut = 0.1
    flip: Flip = "none"

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or self.shape[2] > hdf5_images.CHANNELS:
            raise ConfigError(
                f"shape: {','.join(map(str, self.shape))} must be height, width and 1 to "
                f"{hdf5_images.CHANNELS} channels, e.g. --shape 96,96,3"
            )
        if self.cut > min(self.shape[:2]):
            raise ConfigError(
                f"cut: {self.cut} is more than the {min(self.shape[:2])} pixels of --shape"
            )
        if self.images and self.images == self.labels:
            raise ConfigError(f"images and labels are both {self.images!r}: name two datasets")
        for name in self.classes:
            if not name or self.classes.count(name) > 1:
                raise ConfigError(
                    f"classes: {name!r} is listed twice or empty; give each class one name"
                )


class _Split(msgspec.Struct, frozen=True, eq=False):
    """The records of a split, in their order.

    sources: the datasets.
    source, rows, labels: (n,) each: for each record the index of its dataset, its row there, and
        its class.
    """

    sources: list[Images]
    source: np.ndarray
    rows: np.ndarray
    labels: np.ndarray

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """(n, height, width, channels) uint8. Raises BadRecord."""
        wanted, shape = self.source[numbers], self.sources[0].shape
        values = np.empty((len(numbers), *shape), np.uint8)
        for place in np.unique(wanted):
            here = np.flatnonzero(wanted == place)
            values[here] = self.sources[place].read(self.rows[numbers[here]])
        return values

    def records(self, labels: np.ndarray) -> RecordTable:
        prefixes = [str(each.named) for each in self.sources]
        digits = [max(5, len(str(each.count - 1))) for each in self.sources]
        size = int(np.prod(self.sources[0].shape))
        return RecordTable.of(
            Record(f"{prefixes[source]}/{row:0{digits[source]}}", size, label)
            for source, row, label in zip(
                self.source.tolist(), self.rows.tolist(), labels.tolist(), strict=True
            )
        )

    def only(self, numbers: np.ndarray) -> _Split:
        return _Split(self.sources, self.source[numbers], self.rows[numbers], self.labels[numbers])


class Hdf5Task(BlockTask):
    """See the module's docstring. The task keeps the files that it scanned last open."""

    name = "hdf5"
    Params = Hdf5Params
    # An image is a row of an array, so there is no gain in several samples for each visit.
    row = {"patches_per_visit": 1, "batch_size": 128, "model": "smallcnn"}
    params: Hdf5Params

    def __init__(self, params: Hdf5Params) -> None:
        super().__init__(params)
        self._splits: dict[str, _Split] = {}
        self._numbers: dict[str, dict[str, int]] = {}  # {split: {path of a record: its number}}

    def arrays(self) -> tuple[ArraySpec, ...]:
        height, width, channels = self.params.shape
        if self.params.cut:
            height = width = self.params.cut
        return ArraySpec("image", "uint8", (height, width, channels)), ArraySpec(
            "label", "int32", ()
        )

    def cropped(self, side: int) -> Hdf5Task:
        return type(self)(msgspec.structs.replace(self.params, cut=side))

    # -- the data set -----------------------------------------------------------------------------

    def scan(self, links: Path) -> DataSet:
        found, left = files.find(links, self.params.images, self.params.labels)
        if TRAIN not in found:
            there = next(iter(found.values()))[0].images
            raise DataError(
                f"nothing is named as data to train on, e.g. not {there}: name the file, its "
                "folder or the dataset train, e.g. train.h5"
            )
        tested = found.pop(TEST, [])
        validation = "none"
        if VAL not in found and tested and all(pair.labels for pair in tested):
            found[VAL], tested = tested, []
        for pair in tested:
            left.add(str(pair.images), "for predictions")
        if VAL in found:
            validation = ", ".join(str(pair.images) for pair in found[VAL])
        loaded = {split: self._load(pairs) for split, pairs in found.items()}
        labels = {split: each for split, (_, each) in loaded.items()}
        classes = self.params.classes or hdf5_labels.classes(found[TRAIN], labels.values())
        splits = {
            split: _sorted(sources, hdf5_labels.numbered(each, classes))
            for split, (sources, each) in loaded.items()
        }
        records = {split: each.records(each.labels) for split, each in splits.items()}
        if not records[TRAIN]:
            raise DataError(f"{found[TRAIN][0].images} holds no images to train on")
        if len(classes) < 2:
            raise DataError(
                f"{found[TRAIN][0].labels} has only one class, {classes[0]!r}: a classifier needs "
                "two"
            )
        if not records.get(VAL) and (share := self.params.held_out):
            validation = f"held out, {share:.0%} of each class of {found[TRAIN][0].images.shown}"
            whole, places = splits[TRAIN], {r.path: n for n, r in enumerate(records[TRAIN])}
            records[TRAIN], records[VAL] = parted(records[TRAIN], share)
            for split in (TRAIN, VAL):
                chosen = [places[record.path] for record in records[split]]
                splits[split] = whole.only(np.array(chosen, np.int64))
        records.setdefault(VAL, RecordTable.of(()))
        self._keep(splits, records)
        return DataSet(classes, records, left.listed(), validation, self._version(splits))

    def scan_test(self, links: Path) -> DataSet:
        found, left = files.find(links, self.params.images, self.params.labels)
        split = TEST if TEST in found else TRAIN
        if split not in found or (split == TRAIN and VAL in found):
            raise DataError(
                f"no images to predict in {links}: name the file, its folder or the dataset test, "
                "e.g. test.h5"
            )
        sources, each = self._load(found[split])
        source, rows = _places(sources)
        if not len(rows):
            raise DataError(f"{found[split][0].images} holds no images to predict")
        labels = hdf5_labels.known(each, self.params.classes, len(rows))
        test = _Split(sources, source, rows, labels)
        records = {TEST: test.records(np.zeros_like(labels))}
        self._keep({TEST: test}, records)
        # This is part of the name, so that hosts with and without the labels do not work together.
        labelled = "labelled" if (labels != UNKNOWN).all() else "unlabelled"
        version = self._version({TEST: test})
        return DataSet((labelled,), records, left.listed(), version=version)

    def submission_id(self, number: int, path: str) -> str:
        return str(number)

    def _load(self, pairs: Sequence[Pair]) -> tuple[list[Images], list[Labels]]:
        """(the images, the labels of those that have them). Raises DataError."""
        sources, labels = [], []
        for pair in pairs:
            images = Images(pair.images, self.params.white)
            if images.shape != self.params.shape:
                shape = ",".join(map(str, images.shape))
                said = ",".join(map(str, self.params.shape))
                raise DataError(
                    f"the images in {pair.images} are {shape} (height, width, channels), and "
                    f"--shape says {said}: give --shape {shape}"
                )
            sources.append(images)
            if pair.labels is not None:
                labels.append(hdf5_labels.read(pair.labels, images.count))
        return sources, labels

    def _keep(self, splits: dict[str, _Split], records: Mapping[str, RecordTable]) -> None:
        self._splits = splits
        self._numbers = {
            split: {record.path: number for number, record in enumerate(each)}
            for split, each in records.items()
        }

    def _version(self, splits: Mapping[str, _Split]) -> str:
        """A hash of some of the images."""
        digest = hashlib.sha256(repr(self.params.shape).encode())
        for _, split in sorted(splits.items()):
            for number in spread(len(split.rows), LOOKED_AT):
                try:
                    digest.update(split.read(np.array([number])).tobytes())
                except BadRecord:
                    digest.update(b"bad")
        return digest.hexdigest()[:16]

    # -- samples ----------------------------------------------------------------------------------

    def read(self, links: Path, record: Record) -> bytes:
        split, number = next(
            (split, numbers[record.path])
            for split, numbers in self._numbers.items()
            if record.path in numbers
        )
        return self._splits[split].read(np.array([number])).tobytes()

    def decode(self, data: bytes, record: Record) -> np.ndarray:
        return np.frombuffer(data, np.uint8).reshape(self.params.shape)

    def sample(
        self,
        item: np.ndarray,
        record: Record,
        split: str,
        patch: int,
        rng: np.random.Generator,
    ) -> Mapping[str, Any]:
        numbers = np.array([patch])
        cut = self._cut(item[np.newaxis], split, numbers, lambda count: rng.random((1, count)))
        label = self._splits[split].labels[self._numbers[split][record.path]]
        return {"image": cut[0], "label": np.int32(label)}

    def block(
        self, links: Path, split: str, records: np.ndarray, patches: np.ndarray, draws: Draws
    ) -> Mapping[str, np.ndarray]:
        known = self._splits[split]
        return {
            "image": self._cut(known.read(records), split, patches, draws),
            "label": known.labels[records].astype(np.int32),
        }

    def _cut(self, images: np.ndarray, split: str, patches: np.ndarray, draws: Draws) -> np.ndarray:
        """The images as `fit` gets them: (n, *sides, channels) uint8."""
        (height, width, _), flips = self.arrays()[0].shape, AXES[self.params.flip]
        room = np.array([images.shape[1] - height, images.shape[2] - width])
        starts = np.broadcast_to(room // 2, (len(images), 2))
        varied = np.flatnonzero(patches) if split == TEST else np.arange(len(images))
        if split == VAL or not len(varied) or not (room.any() or flips):
            top, left = room // 2
            return images[:, top : top + height, left : left + width]
        drawn = draws(PLACES + len(flips))[varied]
        starts = starts.copy()
        starts[varied] = np.minimum((drawn[:, :PLACES] * (room + 1)).astype(np.int64), room)
        cut = np.empty((len(images), height, width, images.shape[3]), np.uint8)
        for image, (top, left), into in zip(images, starts, cut, strict=True):
            into[:] = image[top : top + height, left : left + width]
        cut[varied] = mirrored(cut[varied], flips, drawn[:, PLACES:])
        return cut

    def from_picture(self, picture: np.ndarray) -> Mapping[str, Any]:
        """The middle of the picture, resized to the size of the training images."""
        height, width, channels = self.arrays()[0].shape
        if height != width or channels not in (1, 3):
            raise BadRecord(
                f"this model needs images of {height} x {width} pixels and {channels} channels, "
                "which cannot be made of a picture"
            )
        side = min(picture.shape[:2])
        top, left = ((length - side) // 2 for length in picture.shape[:2])
        image = resizing.resize(picture, height, (left, top, left + side, top + side))
        if channels == 1:
            image = np.rint(image.mean(axis=2, keepdims=True)).astype(np.uint8)
        return {"image": image, "label": np.int32(UNKNOWN)}

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        return batch["image"], batch["label"]

    def pictures(self, batch: Mapping[str, np.ndarray]) -> np.ndarray | None:
        images = batch["image"]
        return images if images.shape[3] in (1, 3) else images[..., :1]

    def caption(self, batch: Mapping[str, np.ndarray], i: int, classes: tuple[str, ...]) -> str:
        return classes[int(batch["label"][i])]


def _places(sources: Sequence[Images]) -> tuple[np.ndarray, np.ndarray]:
    """(index of the dataset, row in it) of every image, one dataset after the other."""
    counts = [each.count for each in sources]
    source = np.repeat(np.arange(len(sources)), counts)
    rows = np.concatenate([np.arange(count) for count in counts])
    return source, rows


def _sorted(sources: list[Images], labels: np.ndarray) -> _Split:
    """The split, sorted as records are: by class, then by path."""
    source, rows = _places(sources)
    return _Split(sources, source, rows, labels).only(np.argsort(labels, kind="stable"))
