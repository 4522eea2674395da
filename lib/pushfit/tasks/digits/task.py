"""Handwritten digits: which one is it? MNIST, Kaggle's table, or other small grey images.

    DIR/train-images-idx3-ubyte, train-labels-idx1-ubyte     training images and their labels
    DIR/val-images-idx3-ubyte, val-labels-idx1-ubyte         validation images   (optional)
or  DIR/train.csv, val.csv                                   the same as tables (see `csv_images`)

    DIR/t10k-images-idx3-ubyte (or test-…) or test.csv       images to predict, with their labels
                                                             if these are known

- Each file may be gzipped, and named as archives name it (`idx.find`). DIR is `train` in the links
  folder, or else the links folder itself.
- Without a validation set, the share `held_out` of the training images is held out, drawn by
  `held_out_seed`: the same images on every host and in every run.
- A record is an image of the file, named `train-images-idx3-ubyte/00042` or `train.csv/00042`. The
  fingerprint has the labels and the number of images, so two files that differ only in pixels are
  not distinguished.
- Test images keep the order of their file; DIR may also be `test`. The first sample of a test image
  shows it unchanged, further samples are moved as in training.
- Training images are turned, zoomed and shifted (`affine`), and on request slanted and bent
  (`elastic`), each by random amounts that are uniform over the range of the parameters. Validation
  images are unchanged. Images are mirrored only if `flip` says so: a mirrored digit is another
  sign, but a mirrored image of clothes or cells may be as good.
- A plain file is mapped into memory once for all generators of a host. A gzipped one takes memory
  in each generator, a byte for each pixel (MNIST: 47 MB).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from pushfit import archives, container
from pushfit.errors import DataError
from pushfit.links import check as check_links
from pushfit.links import some
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
)
from pushfit.tasks.digits import csv_images, idx
from pushfit.tasks.digits import drawn_digit as drawn
from pushfit.tasks.digits.affine import (
    MAX_ANGLE,
    MAX_BEND,
    MAX_SHEAR,
    MAX_SHIFT,
    MAX_SIDE,
    MAX_ZOOM,
    Affine,
)
from pushfit.tasks.digits.elastic import BENDS
from pushfit.tasks.flips import AXES, Flip, mirrored

IMAGES, LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
TESTS = ("t10k", TEST)  # names of files of test images begin with these: MNIST's and ours
# A sample draws numbers for angle, zoom, right, down and shear; then for bends, then for mirrors.
MOVES = 5


class DigitsParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of the digits task."""

    side: Annotated[
        int, Meta(ge=8, le=MAX_SIDE, description="Width and height of the images, in pixels.")
    ] = 28
    held_out: Annotated[
        float,
        Meta(
            ge=0, le=0.9, description="Share held out for validation if there are no files for it."
        ),
    ] = 0.1
    held_out_seed: Annotated[
        int, Meta(ge=0, le=2**32 - 1, description="Seed of the choice of images held out.")
    ] = 0
    rotation: Annotated[
        float, Meta(ge=0, le=MAX_ANGLE, description="Largest turn of training images, in degrees.")
    ] = 10.0
    zoom: Annotated[
        float,
        Meta(ge=0, le=MAX_ZOOM, description="Largest change of training images' size, as a share."),
    ] = 0.1
    shift: Annotated[
        float,
        Meta(
            ge=0,
            le=MAX_SHIFT,
            description="Largest shift of training images, as a share of a side.",
        ),
    ] = 0.1
    shear: Annotated[
        float,
        Meta(ge=0, le=MAX_SHEAR, description="Largest slant of training images, in pixels a row."),
    ] = 0.0
    elastic: Annotated[
        float,
        Meta(
            ge=0,
            le=MAX_BEND,
            description="Largest movement of a point by bending, as a share of a side.",
        ),
    ] = 0.0
    flip: Flip = "none"


class _Split(msgspec.Struct, frozen=True, eq=False):
    """The images of a split.

    file: name of the images' file.
    images, labels: all images and labels of the file.
    rows: (n,), for each record its row in these.
    """

    file: str
    images: np.ndarray
    labels: np.ndarray
    rows: np.ndarray

    def only(self, rows: np.ndarray) -> _Split:
        """The split with only these rows, sorted as records are: by label, then by row."""
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
    """See the module's docstring. The task holds the images of the folder that it scanned last."""

    name = "digits"
    Params = DigitsParams
    # To read an image costs nothing, so there is no gain in several samples for each visit.
    row = {"patches_per_visit": 1, "batch_size": 128, "model": "smallcnn"}
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
                + (
                    _instead(folder, TRAIN)
                    or "put MNIST's files or Kaggle's table there, or point to their folder with "
                    f"`ln -sfn /path/to/mnist {links / TRAIN}`"
                )
            )
        validation = f"the file {val.file}" if val is not None else "none"
        if val is None:
            if self.params.held_out:
                validation = f"held out, {self.params.held_out:.0%} of {train.file}"
            rng = np.random.Generator(np.random.Philox(self.params.held_out_seed))
            rows = rng.permutation(train.rows)
            count = round(self.params.held_out * len(rows))
            train, val = train.only(rows[count:]), train.only(rows[:count])
        if not len(train.rows):
            raise DataError(f"{train.file} in {folder} holds no images to train on")
        self._splits = {TRAIN: train, VAL: val}
        classes = 1 + max(int(each.labels.max(initial=0)) for each in self._splits.values())
        return DataSet(
            tuple(str(label) for label in range(classes)),
            {split: each.records() for split, each in self._splits.items()},
            validation=validation,
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
            instead = _instead(links, TEST)
            raise DataError(
                f"no digits to predict in {links}: neither {names} nor test.csv (.gz)"
                + (f"; {instead}" if instead else "")
            )
        if len(found) > 1:
            raise DataError(
                f"{found[0].file} and {found[1].file} are both in {links}, but only one can be "
                "predicted: move the other to another folder"
            )
        split = found[0]
        if not len(split.images):
            raise DataError(f"{split.file} in {links} holds no images to predict")
        self._splits = {TEST: msgspec.structs.replace(split, rows=np.arange(len(split.images)))}
        size, prefix = split.images.strides[0], split.file + "/"
        records = (Record(f"{prefix}{row:05}", size, 0) for row in range(len(split.images)))
        # This is part of the name, so that hosts with and without the labels do not work together.
        labelled = "labelled" if (split.labels != UNKNOWN).all() else "unlabelled"
        return DataSet((labelled,), {TEST: tuple(records)})

    def submission_id(self, number: int, path: str) -> str:
        return str(number + 1)

    def _load(self, folder: Path, name: str, *, labelled: bool = True) -> _Split | None:
        """The split in a pair of files or a table; None: there is neither. Raises DataError.

        labelled: labels are required.
        """
        images, labels = (idx.find(folder, f"{name}-{kind}") for kind in (IMAGES, LABELS))
        table = csv_images.find(folder, name)
        if table is not None and (images or labels):
            raise DataError(
                f"{images or labels} and {table.name} are both there: move the one that is not to "
                "be used to another folder"
            )
        if table is not None:
            pixels, values = csv_images.load(table, self.params.side, labelled=labelled)
            return _split(table.name.removesuffix(".gz"), pixels, values if len(values) else None)
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
        """The images as `fit` gets them: (n, side, side, 1) uint8."""
        params = self.params
        moves = (params.rotation, params.zoom, params.shift, params.shear, params.elastic)
        if split == VAL or not any((*moves, self._flips)):
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
        """How many random numbers a sample draws."""
        return MOVES + (BENDS if self.params.elastic else 0) + len(self._flips)

    @property
    def _flips(self) -> tuple[int, ...]:
        return AXES[self.params.flip]

    def _warped(self, images: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """The images, each moved as its row of `drawn` says: numbers from 0 to 1."""
        params, spread = self.params, 2 * drawn - 1
        images = mirrored(images, self._flips, drawn[:, self._numbers - len(self._flips) :])
        return self._affine.warp(
            images,
            angle=params.rotation * spread[:, 0],
            zoom=1 + params.zoom * spread[:, 1],
            shift=params.shift * spread[:, 2:4],
            shear=params.shear * spread[:, 4] if params.shear else None,
            bends=params.elastic * spread[:, MOVES : MOVES + BENDS] if params.elastic else None,
        )

    def from_picture(self, picture: np.ndarray) -> Mapping[str, Any]:
        """The picture, processed as MNIST's images were: see `drawn_digit`."""
        image = drawn.image(picture, self.params.side)
        return {"image": image[..., np.newaxis], "label": np.int32(UNKNOWN)}

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        return batch["image"], batch["label"]

    def caption(self, batch: Mapping[str, np.ndarray], i: int, classes: tuple[str, ...]) -> str:
        return classes[int(batch["label"][i])]


def _instead(folder: Path, name: str) -> str:
    """A sentence about an archive or another table in `folder`, which has no `name`."""
    found = some(folder)
    if archive := archives.among(found):
        return archive
    for path in found:
        if name in path.name and path.name.endswith((".csv", ".csv.gz")):
            end = path.name[path.name.rindex(".csv") :]
            return f"if {path.name} is meant, rename it to {name}{end}"
    return ""


def _folder(links: Path) -> Path:
    """The folder of the files: `train` in the links folder, or the links folder itself."""
    check_links(links)
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
    return links
