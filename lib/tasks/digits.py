"""Handwritten digits: which one is it? MNIST, Kaggle's table, or small grey images laid out so.

    DIR/train-images-idx3-ubyte, train-labels-idx1-ubyte     training images and their labels
    DIR/val-images-idx3-ubyte, val-labels-idx1-ubyte         validation images   (optional)
or  DIR/train.csv, val.csv                                   the same as tables  (see `tables`)

    DIR/t10k-images-idx3-ubyte (or test-…) or test.csv       what is to be predicted; beside IDX
                                                             files their labels, where known

- Each may be gzipped (`.gz`). DIR is `train` in the links folder, or else the links folder itself.
- Without a validation set, a share of the training images is held out: `held_out` of them, drawn
  by `held_out_seed`; the same ones on every host and in every run.
- A record is an image of the file, named `train-images-idx3-ubyte/00042` or `train.csv/00042`. The
  fingerprint has the labels and the number of images; two files that differ in pixels alone are not
  told apart.
- Test images keep the order of their file; DIR may be `test`, too. Of several samples of one the
  first is the image as it is, the others are moved as in training.
- Training images are turned, zoomed and shifted (`affine`), and if asked slanted and bent
  (`elastic`), each by amounts of its own, uniform over the range that the parameters name;
  validation images are as they are. No mirroring: it makes other digits.
- A plain file is mapped into memory once for all generators of a host; a gzipped one takes as much
  memory in each as it has pixels (MNIST: 47 MB).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from lib import container
from lib.errors import DataError
from lib.tasks import drawn, idx, tables
from lib.tasks.affine import (
    MAX_ANGLE,
    MAX_BEND,
    MAX_SHEAR,
    MAX_SHIFT,
    MAX_SIDE,
    MAX_ZOOM,
    Affine,
)
from lib.tasks.base import (
    TEST,
    TRAIN,
    UNKNOWN,
    VAL,
    ArraySpec,
    BlockTask,
    DataSet,
    Draws,
    Record,
)
from lib.tasks.elastic import BENDS

IMAGES, LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
TESTS = ("t10k", TEST)  # what files of test images begin with: MNIST's own, and those named as ours
MOVES = 5  # numbers that a sample draws: angle, zoom, to the right, down, shear; then the bends


class DigitsParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the digits task can be told."""

    side: Annotated[
        int, Meta(ge=8, le=MAX_SIDE, description="Width and height of the images, in pixels.")
    ] = 28
    held_out: Annotated[
        float,
        Meta(ge=0, le=0.9, description="Share held out for validation where no files are for it."),
    ] = 0.1
    held_out_seed: Annotated[
        int, Meta(ge=0, le=2**32 - 1, description="Which images those are.")
    ] = 0
    rotation: Annotated[
        float, Meta(ge=0, le=MAX_ANGLE, description="Training images turn by so many degrees.")
    ] = 10.0
    zoom: Annotated[
        float, Meta(ge=0, le=MAX_ZOOM, description="They grow or shrink by up to this share.")
    ] = 0.1
    shift: Annotated[
        float, Meta(ge=0, le=MAX_SHIFT, description="They move by up to this share of a side.")
    ] = 0.1
    shear: Annotated[
        float,
        Meta(ge=0, le=MAX_SHEAR, description="They slant by up to so many pixels a row."),
    ] = 0.0
    elastic: Annotated[
        float,
        Meta(
            ge=0, le=MAX_BEND, description="They bend: points move by up to this share of a side."
        ),
    ] = 0.0


class _Split(msgspec.Struct, frozen=True, eq=False):
    """file: name of the images' file; images, labels: all of it; rows: (n,), of the records."""

    file: str
    images: np.ndarray
    labels: np.ndarray
    rows: np.ndarray

    def only(self, rows: np.ndarray) -> _Split:
        """Those of `rows` alone, sorted as records are: by label, then as they come in the file."""
        rows = np.sort(rows)
        order = np.argsort(self.labels[rows], kind="stable")
        return _Split(self.file, self.images, self.labels, rows[order])

    def records(self) -> tuple[Record, ...]:
        size, prefix = self.images.strides[0], self.file + "/"
        pairs = zip(self.rows.tolist(), self.labels[self.rows].tolist(), strict=True)
        return tuple(Record(f"{prefix}{row:05}", size, label) for row, label in pairs)


def _split(file: str, images: np.ndarray, labels: np.ndarray | None) -> _Split:
    rows = np.arange(len(images))
    if labels is None:
        labels = np.full(len(images), UNKNOWN)
    return _Split(file, images, labels.astype(np.int64), rows).only(rows)


class DigitsTask(BlockTask):
    """See the module's docstring. Holds the images of the folder that it scanned last."""

    name = "digits"
    Params = DigitsParams
    submission = "ImageId", "Label"
    params: DigitsParams

    def __init__(self, params: DigitsParams) -> None:
        super().__init__(params)
        self._affine = Affine(params.side)
        self._splits: dict[str, _Split] = {}

    def arrays(self) -> tuple[ArraySpec, ...]:
        side = self.params.side
        return ArraySpec("image", "uint8", (side, side, 1)), ArraySpec("label", "int32", ())

    def scan(self, links: Path) -> DataSet:
        folder = _folder(links)
        train, val = self._load(folder, TRAIN), self._load(folder, VAL)
        if train is None:
            raise DataError(
                f"there is no train-{IMAGES} in {folder}, nor a train.csv (or either with .gz): "
                "put MNIST's files or Kaggle's table there, or point to their folder with "
                f"`ln -sfn /path/to/mnist {links / TRAIN}`"
            )
        if val is None:
            rng = np.random.Generator(np.random.Philox(self.params.held_out_seed))
            rows = rng.permutation(train.rows)
            count = round(self.params.held_out * len(rows))
            train, val = train.only(rows[count:]), train.only(rows[:count])
        if not len(train.rows):
            raise DataError(f"train-{IMAGES} in {folder} holds no images to train on")
        self._splits = {TRAIN: train, VAL: val}
        classes = 1 + max(int(each.labels.max(initial=0)) for each in self._splits.values())
        return DataSet(
            tuple(str(label) for label in range(classes)),
            {split: each.records() for split, each in self._splits.items()},
        )

    def scan_test(self, links: Path) -> DataSet:
        if not links.is_dir():
            raise DataError(f"there is no folder {links} with digits to predict")
        tried = (links / TEST, links, links / TRAIN)
        found = [
            split
            for folder in tried
            if folder.is_dir()
            for name in TESTS
            if (split := self._load(folder, name, labelled=False))
        ]
        if not found:
            names = ", ".join(f"{name}-{IMAGES}" for name in TESTS)
            raise DataError(f"no digits to predict in {links}: neither {names} nor test.csv (.gz)")
        if len(found) > 1:
            raise DataError(
                f"{found[0].file} and {found[1].file} are both in {links}: which one is to be "
                "predicted? Move the other to another folder"
            )
        split = found[0]
        if not len(split.images):
            raise DataError(f"{split.file} in {links} holds no images to predict")
        self._splits = {TEST: msgspec.structs.replace(split, rows=np.arange(len(split.images)))}
        size, prefix = split.images.strides[0], split.file + "/"
        records = (Record(f"{prefix}{row:05}", size, 0) for row in range(len(split.images)))
        # In the name, so that hosts with and without the labels do not work together.
        labelled = "labelled" if (split.labels != UNKNOWN).all() else "unlabelled"
        return DataSet((labelled,), {TEST: tuple(records)})

    def submission_id(self, number: int, path: str) -> str:
        return str(number + 1)

    def _load(self, folder: Path, name: str, *, labelled: bool = True) -> _Split | None:
        """A pair of files, or a table; None where there is neither. Raises DataError.

        labelled: else a table has no labels, and files may have them or not.
        """
        images, labels = (idx.find(folder, f"{name}-{kind}") for kind in (IMAGES, LABELS))
        table = tables.find(folder, name)
        if table is not None and (images or labels):
            raise DataError(
                f"{images or labels} and {table.name} are both there: which one is it? Move the "
                "other to another folder"
            )
        if table is not None:
            pixels, values = tables.load(table, self.params.side, labelled=labelled)
            return _split(table.name.removesuffix(".gz"), pixels, values if labelled else None)
        if images is None and labels is None:
            return None
        if images is None or (labels is None and labelled):
            there, missing = (images, LABELS) if images else (labels, IMAGES)
            raise DataError(
                f"{there} is there without {name}-{missing} (or .gz) beside it: images and labels "
                "belong together; copy both"
            )
        pixels, side = idx.load(images, idx.IMAGES), self.params.side
        _, height, width = pixels.shape
        if (height, width) != (side, side):
            fits = height == width and 8 <= width <= MAX_SIDE
            raise DataError(
                f"{images} holds images of {width} x {height} pixels, not of {side} x {side}"
                + (f": give --side {width}" if fits else "")
            )
        if labels is None:
            return _split(f"{name}-{IMAGES}", pixels, None)
        values = idx.load(labels, idx.LABELS)
        if len(values) != len(pixels):
            raise DataError(
                f"{labels} holds {len(values):,} labels, and {images.name} {len(pixels):,} images: "
                "they are not of the same set"
            )
        return _split(f"{name}-{IMAGES}", pixels, values)

    def read(self, links: Path, record: Record) -> bytes:
        name, _, row = record.path.rpartition("/")
        split = next(each for each in self._splits.values() if each.file == name)
        return bytes(split.images[int(row)])

    def decode(self, data: bytes, record: Record) -> np.ndarray:
        return np.frombuffer(data, np.uint8).reshape(self.params.side, self.params.side)

    def sample(
        self,
        item: np.ndarray,
        record: Record,
        split: str,
        patch: int,
        rng: np.random.Generator,
    ) -> Mapping[str, Any]:
        numbers = np.array([patch])
        moved = self._moved(item[np.newaxis], split, numbers, lambda count: rng.random((1, count)))
        label = self._splits[split].labels[int(record.path.rpartition("/")[2])]
        return {"image": moved[0], "label": np.int32(label)}

    def block(
        self, links: Path, split: str, records: np.ndarray, patches: np.ndarray, draws: Draws
    ) -> Mapping[str, np.ndarray]:
        known = self._splits[split]
        rows = known.rows[records]
        return {
            "image": self._moved(known.images[rows], split, patches, draws),
            "label": known.labels[rows].astype(np.int32),
        }

    def _moved(
        self, images: np.ndarray, split: str, patches: np.ndarray, draws: Draws
    ) -> np.ndarray:
        """(n, side, side, 1) uint8: as `fit` gets them."""
        params = self.params
        moves = (params.rotation, params.zoom, params.shift, params.shear, params.elastic)
        if split == VAL or not any(moves):
            return images[..., np.newaxis]
        if split == TEST:
            drawn = np.flatnonzero(patches)
            moved = np.array(images)
            if len(drawn):
                moved[drawn] = self._warped(images[drawn], draws(self._numbers)[drawn])
            return moved[..., np.newaxis]
        return self._warped(images, draws(self._numbers))[..., np.newaxis]

    @property
    def _numbers(self) -> int:
        """How many a sample draws."""
        return MOVES + (BENDS if self.params.elastic else 0)

    def _warped(self, images: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Each moved by its row of `drawn`, numbers from 0 to 1."""
        params, spread = self.params, 2 * drawn - 1
        return self._affine.warp(
            images,
            angle=params.rotation * spread[:, 0],
            zoom=1 + params.zoom * spread[:, 1],
            shift=params.shift * spread[:, 2:4],
            shear=params.shear * spread[:, 4] if params.shear else None,
            bends=params.elastic * spread[:, MOVES:] if params.elastic else None,
        )

    def from_picture(self, picture: np.ndarray) -> Mapping[str, Any]:
        """The picture as MNIST's images were made: see `drawn`."""
        image = drawn.image(picture, self.params.side)
        return {"image": image[..., np.newaxis], "label": np.int32(UNKNOWN)}

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        return batch["image"], batch["label"]

    def caption(self, batch: Mapping[str, np.ndarray], i: int, classes: tuple[str, ...]) -> str:
        return classes[int(batch["label"][i])]


def _folder(links: Path) -> Path:
    """Where the files are: `train` in the links folder, or the folder itself."""
    inside = links / TRAIN
    if mount := container.unmounted(inside):
        raise DataError(mount)
    if inside.is_symlink() and not inside.exists():
        raise DataError(
            f"{inside} is a dangling link: its target {inside.readlink()} is not on this host; "
            f"point it to the folder of IDX files with `ln -sfn /path/to/mnist {inside}`"
        )
    if inside.is_dir():
        return inside
    if not links.is_dir():
        raise DataError(
            f"the links folder {links} does not exist: make it with "
            f"`mkdir -p {links} && ln -sfn /path/to/mnist {inside}`"
        )
    return links
