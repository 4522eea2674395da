"""Labelled images, one folder a class: the commonest task, to be changed in one method.

    class Photos(LabelledImages):
        name = "photos"

        def augment(self, image, rng):
            return image[:, ::-1] if rng.random() < 0.5 else image

The folders are those of the camera task (see `folders`). Of each image the square in its middle is
resized to `size`; training images then go through `augment`, validation images do not. Of an
image to be predicted, sample 0 is the image as it is, others are augmented.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from lib.tasks import bicubic, folders, images
from lib.tasks.base import TEST, TRAIN, UNKNOWN, VAL, ArraySpec, DataSet, Record, Task
from lib.tasks.images import Photo


class LabelledParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What such a task can be told; a task of one's own adds to it by deriving from it."""

    size: Annotated[
        int, Meta(ge=8, le=1024, description="Width and height of the images, in pixels.")
    ] = 64
    held_out: Annotated[
        float,
        Meta(
            ge=0, le=0.9, description="Share held out for validation where there is no val_images."
        ),
    ] = 0.1


class LabelledImages(Task):
    """Arrays: image (size, size, 3) uint8; label int32. Override `augment`."""

    Params = LabelledParams
    params: LabelledParams
    upright = False  # nor are the photos that it learns from
    row = {"patches_per_visit": 1, "model": "smallcnn"}

    def augment(self, image: Photo, rng: np.random.Generator) -> Photo:
        """Another view of a training image: (size, size, 3) uint8, which may be changed in place.

        Whatever is random has to come from `rng`: so the stream is the same for any fleet.
        """
        return image

    def scan(self, links: Path) -> DataSet:
        data = folders.scan(links)
        if data.splits[VAL] or not self.params.held_out:
            return data
        train, val = _parted(data.splits[TRAIN], self.params.held_out)
        return DataSet(data.classes, {TRAIN: train, VAL: val})

    def scan_test(self, links: Path) -> DataSet:
        return folders.scan_test(links)

    def arrays(self) -> tuple[ArraySpec, ...]:
        size = self.params.size
        return ArraySpec("image", "uint8", (size, size, 3)), ArraySpec("label", "int32", ())

    def decode(self, data: bytes, record: Record) -> Photo:
        return self._square(images.decode(data))

    def from_picture(self, picture: Photo) -> Mapping[str, Any]:
        return {"image": self._square(picture), "label": UNKNOWN}

    def _square(self, photo: Photo) -> Photo:
        size = self.params.size
        height, width, _ = photo.shape
        if height == width == size:
            return photo
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        return bicubic.resize(photo, size, (left, top, left + side, top + side))

    def sample(
        self, item: Photo, record: Record, split: str, patch: int, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        varied = split == TRAIN or (split == TEST and patch > 0)
        image = self.augment(item.copy(), rng) if varied else item
        return {"image": image, "label": UNKNOWN if split == TEST else record.label}

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        return batch["image"], batch["label"]

    def caption(self, batch: Mapping[str, np.ndarray], i: int, classes: tuple[str, ...]) -> str:
        return classes[int(batch["label"][i])]


def _parted(
    records: tuple[Record, ...], share: float
) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """(the rest, `share` of each class), the same ones on every host and in every run.

    Of each class one record at least stays to train on.
    """
    rng = np.random.Generator(np.random.Philox(0))
    labels = np.array([record.label for record in records])
    held_out = set[int]()
    for label in range(labels.max() + 1):
        rows = np.flatnonzero(labels == label)
        count = min(round(share * len(rows)), len(rows) - 1)
        held_out.update(rng.permutation(rows)[:count].tolist())
    numbered = list(enumerate(records))
    return (
        tuple(record for number, record in numbered if number not in held_out),
        tuple(record for number, record in numbered if number in held_out),
    )
