"""Labelled images, as networks are usually trained on them: ImageNet and the like.

    train        a random resized crop of the photo (`crops`), then `augmented` (`augmentation`)
    validation   the square in the middle, as much of it as `val_crop` says
    test         sample 0 as in validation, further samples as in training

Of a photo only the part that is cut is decoded (`photo`). A task of your own may derive from
`ImagesTask` and override `augment`, or `crop`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pushfit.decoding import images
from pushfit.tasks import layouts, resizing
from pushfit.tasks.base import TEST, TRAIN, UNKNOWN, ArraySpec, DataSet, Record, Task
from pushfit.tasks.images import crops
from pushfit.tasks.images.augmentation import augmented
from pushfit.tasks.images.crops import Box
from pushfit.tasks.images.params import ImagesParams
from pushfit.tasks.images.photo import Photo
from pushfit.tasks.selection import Selection


class ImagesTask(Task):
    """Arrays: image (size, size, 3) uint8; label int32. Override `augment`, or `crop`."""

    name = "images"
    Params = ImagesParams
    row = {"patches_per_visit": 1, "model": "resnet50"}
    shared_scan = True
    params: ImagesParams

    @property
    def upright(self) -> bool:  # type: ignore[override]
        return self.params.upright

    def crop(self, width: int, height: int, rng: np.random.Generator) -> Box:
        """The part of a training photo that is resized to an image. It may draw from `rng`.

        width, height: of the photo, in pixels.
        """
        params = self.params
        scale, ratio = params.scale, params.ratio
        return crops.random_resized(width, height, (scale[0], scale[1]), (ratio[0], ratio[1]), rng)

    def augment(self, image: images.Photo, rng: np.random.Generator) -> images.Photo:
        """The augmented training image: (size, size, 3) uint8.

        image: (size, size, 3) uint8. It may be a view that cannot be written to.
        rng: the only source of randomness, so that the stream is the same for any fleet.
        """
        return augmented(image, self.params, rng)

    def scan(self, links: Path) -> DataSet:
        params = self.params
        chosen = Selection(params.only, params.without)
        return layouts.scan(
            links,
            listed=params.classes,
            held_out=params.held_out,
            selection=chosen,
            list_file=params.list,
        )

    def scan_test(self, links: Path) -> DataSet:
        return layouts.scan_test(links, list_file=self.params.list)

    def true_class(self, path: str) -> str:
        return layouts.class_in(path)

    def read(self, links: Path, record: Record) -> bytes:
        return layouts.read(links, record)

    def arrays(self) -> tuple[ArraySpec, ...]:
        size = self.params.size
        return ArraySpec("image", "uint8", (size, size, 3)), ArraySpec("label", "int32", ())

    def decode(self, data: bytes, record: Record) -> Photo:
        return self._photo(data).whole()

    def decode_for(
        self, data: bytes, record: Record, split: str, rngs: Iterator[np.random.Generator]
    ) -> Photo:
        photo = self._photo(data)
        boxes = (self._box(photo, split, number, rng) for number, rng in enumerate(rngs))
        photo.need(boxes, self.params.size)
        return photo

    def sample(
        self, item: Photo, record: Record, split: str, patch: int, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        box = self._box(item, split, patch, rng)
        image = item.cut(box, self.params.size, self.params.resize)
        if _varied(split, patch):
            image = self.augment(image, rng)
        return {"image": image, "label": UNKNOWN if split == TEST else record.label}

    def from_picture(self, picture: images.Photo) -> Mapping[str, Any]:
        height, width, _ = picture.shape
        left, top, right, bottom = crops.centre(width, height, self.params.val_crop)
        region, side = picture[top:bottom, left:right], right - left
        image = resizing.resize(region, self.params.size, (0, 0, side, side), self.params.resize)
        return {"image": image, "label": UNKNOWN}

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        return batch["image"], batch["label"]

    def caption(self, batch: Mapping[str, np.ndarray], i: int, classes: tuple[str, ...]) -> str:
        return classes[int(batch["label"][i])] if "label" in batch else ""

    def _photo(self, data: bytes) -> Photo:
        return Photo(data, upright=self.params.upright, exact=self.params.exact_decode)

    def _box(self, photo: Photo, split: str, patch: int, rng: np.random.Generator) -> Box:
        if _varied(split, patch):
            return self.crop(photo.width, photo.height, rng)
        return crops.centre(photo.width, photo.height, self.params.val_crop)


def _varied(split: str, patch: int) -> bool:
    """Return whether a sample is cropped and augmented at random."""
    return split == TRAIN or (split == TEST and patch > 0)
