"""A task with two inputs and a mask as target: which pixels belong to the thing clicked on?

    python train_zmq.py --task examples/clicks.py --links DIR --generators 2

    DIR/train/NAME.jpg, NAME.mask.png      photos, with a mask of the same size for each: black is
    DIR/val/NAME.jpg, NAME.mask.png        background, every other grey level is a thing of its own

A sample is a square from a photo, a point on a thing in it, and the mask of that thing. The model
sees the photo and the point; for each pixel it gives the probability that it belongs to the thing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from pushfit import regular
from pushfit.decoding import images
from pushfit.errors import BadRecord, DataError
from pushfit.tasks.base import TRAIN, VAL, ArraySpec, DataSet, Record, Task


class ClicksParams(msgspec.Struct, frozen=True, kw_only=True):
    side: Annotated[int, Meta(ge=16, description="Width and height of a sample, in pixels.")] = 64


class Clicks(Task):
    name = "clicks"
    Params = ClicksParams
    row = {"patches_per_visit": 4}
    loss = "binary_crossentropy"
    metrics = ["binary_accuracy"]

    def scan(self, links: Path) -> DataSet:
        return DataSet(("photo",), {split: _pairs(links, split) for split in (TRAIN, VAL)})

    def arrays(self) -> tuple[ArraySpec, ...]:
        side = self.params.side
        return (
            ArraySpec("image", "uint8", (side, side, 3)),
            ArraySpec("point", "int32", (2,)),  # row and column
            ArraySpec("mask", "uint8", (side, side, 1)),  # 0 or 1
        )

    def read(self, links: Path, record: Record) -> tuple[bytes, bytes]:
        photo = links / record.path
        return regular.read(photo), regular.read(_mask_of(photo))

    def decode(self, data: tuple[bytes, bytes], record: Record) -> tuple[np.ndarray, np.ndarray]:
        photo, mask = (images.decode(each) for each in data)
        if photo.shape != mask.shape:
            raise BadRecord(
                f"its mask has {mask.shape[:2]} pixels, but the photo has {photo.shape[:2]}"
            )
        if min(photo.shape[:2]) < self.params.side or not mask.any():
            raise BadRecord("it is smaller than --side, or its mask shows nothing")
        return photo, mask[:, :, 0]

    def sample(
        self,
        item: tuple[np.ndarray, np.ndarray],
        record: Record,
        split: str,
        patch: int,
        rng: np.random.Generator,
    ) -> Mapping[str, Any]:
        photo, mask = item
        side = self.params.side
        points = np.argwhere(mask)
        point = points[rng.integers(len(points))]
        room = np.array(mask.shape) - side
        low, high = np.maximum(point - side + 1, 0), np.minimum(point, room)
        top, left = rng.integers(low, high + 1)  # the square may lie anywhere around the point
        cut = slice(top, top + side), slice(left, left + side)
        return {
            "image": photo[cut],
            "point": (point - (top, left)).astype(np.int32),
            "mask": (mask[cut] == mask[tuple(point)]).astype(np.uint8)[:, :, np.newaxis],
        }

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        """Only the point is sent; the picture of it that the model needs is made here."""
        rows, columns = np.indices((self.params.side, self.params.side))
        points = batch["point"][:, :, np.newaxis, np.newaxis]
        distance = np.hypot(rows - points[:, 0], columns - points[:, 1])
        near = np.exp(-distance / 4).astype(np.float32)[..., np.newaxis]
        return {"image": batch["image"], "near": near}, batch["mask"]

    def build_model(self, classes: int) -> Any:
        import keras
        from keras import layers

        side = self.params.side
        image = keras.Input((side, side, 3), dtype="uint8", name="image")
        near = keras.Input((side, side, 1), name="near")
        x = layers.Concatenate()([layers.Rescaling(1 / 127.5, offset=-1.0)(image), near])
        for width in (1, 2, 4, 8, 1):  # in the end each pixel depends on 33 by 33 pixels
            x = layers.Conv2D(24, 3, padding="same", dilation_rate=width, use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)
            x = layers.ReLU()(x)
        mask = layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name="mask")(x)
        return keras.Model({"image": image, "near": near}, mask, name="clicks")


def _mask_of(photo: Path) -> Path:
    return photo.with_suffix(".mask.png")


def _pairs(links: Path, split: str) -> tuple[Record, ...]:
    records = []
    for photo in (links / split).glob("*.jpg"):
        mask = _mask_of(photo)
        if not mask.is_file():
            raise DataError(f"{photo} has no mask: put one beside it, called {mask.name}")
        size = photo.stat().st_size + mask.stat().st_size
        records.append(Record(f"{split}/{photo.name}", size, label=0))
    return tuple(sorted(records, key=lambda record: record.path))
