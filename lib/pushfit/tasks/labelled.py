"""Labelled images in one folder for each class: the most common task, with one method to override.

    class Photos(LabelledImages):
        name = "photos"

        def augment(self, image, rng):
            return image[:, ::-1] if rng.random() < 0.5 else image

The folders are those of the camera task (see `folders`). The square in the middle of each image is
resized to `size`. Training images then go through `augment`, validation images do not. Sample 0 of
a test image shows it unchanged, further samples are augmented.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from pushfit.decoding import images
from pushfit.decoding.images import Photo
from pushfit.tasks import folders, resizing
from pushfit.tasks.base import TEST, TRAIN, UNKNOWN, ArraySpec, DataSet, Record, Task
from pushfit.tasks.selection import HeldOut, Only, Selection, Without


class LabelledParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of such a task. Your own task derives from this class to add more."""

    size: Annotated[
        int, Meta(ge=8, le=1024, description="Width and height of the images, in pixels.")
    ] = 64
    held_out: HeldOut = 0.1
    only: Only = ()
    without: Without = ()


class LabelledImages(Task):
    """Arrays: image (size, size, 3) uint8; label int32. Override `augment`."""

    Params = LabelledParams
    params: LabelledParams
    upright = False  # the photos that it learns from are not turned, either
    row = {"patches_per_visit": 1, "model": "smallcnn"}
    shared_scan = True

    def augment(self, image: Photo, rng: np.random.Generator) -> Photo:
        """The augmented training image: (size, size, 3) uint8.

        image: (size, size, 3) uint8, which may be changed in place.
        rng: the only source of randomness, so that the stream is the same for any fleet.
        """
        return image

    def scan(self, links: Path) -> DataSet:
        chosen = Selection(self.params.only, self.params.without)
        return folders.scan(links, held_out=self.params.held_out, selection=chosen)

    def scan_test(self, links: Path) -> DataSet:
        return folders.scan_test(links)

    def true_class(self, path: str) -> str:
        return folders.class_folder(path)

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
        return resizing.resize(photo, size, (left, top, left + side, top + side))

    def sample(
        self, item: Photo, record: Record, split: str, patch: int, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        varied = split == TRAIN or (split == TEST and patch > 0)
        image = self.augment(item.copy(), rng) if varied else item
        return {"image": image, "label": UNKNOWN if split == TEST else record.label}

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        return batch["image"], batch["label"]

    def caption(self, batch: Mapping[str, np.ndarray], i: int, classes: tuple[str, ...]) -> str:
        return classes[int(batch["label"][i])] if "label" in batch else ""
