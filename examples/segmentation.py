"""Segmentation: which class does each pixel of a photo belong to?

    python train_zmq.py --task examples/segmentation.py --links DIR --labels 21 --generators 2

    DIR/train/NAME.jpg, NAME.png     photos, each with a picture of the same size whose grey levels
    DIR/val/NAME.jpg, NAME.png       are class numbers; 255 is a border that counts for nothing

In training, a random square of each photo is cut out and mirrored by chance, together with its
classes. In validation it is the square in the middle.
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

BORDER = 255


class SegmentationParams(msgspec.Struct, frozen=True, kw_only=True):
    side: Annotated[int, Meta(ge=16, description="Width and height of a sample, in pixels.")] = 128
    labels: Annotated[
        int, Meta(ge=2, le=BORDER, description="Number of classes, background included.")
    ] = 21


class Segmentation(Task):
    name = "segmentation"
    Params = SegmentationParams
    metrics = ()

    @property
    def loss(self) -> Any:  # type: ignore[override]
        import keras

        return keras.losses.SparseCategoricalCrossentropy(ignore_class=BORDER)

    def scan(self, links: Path) -> DataSet:
        return DataSet((), {split: _pairs(links, split) for split in (TRAIN, VAL)})

    def arrays(self) -> tuple[ArraySpec, ...]:
        side = self.params.side
        return (
            ArraySpec("image", "uint8", (side, side, 3)),
            ArraySpec("classes", "uint8", (side, side)),
        )

    def read(self, links: Path, record: Record) -> tuple[bytes, bytes]:
        photo = links / record.path
        return regular.read(photo), regular.read(photo.with_suffix(".png"))

    def decode(self, data: tuple[bytes, bytes], record: Record) -> tuple[np.ndarray, np.ndarray]:
        photo, levels = (images.decode(each) for each in data)
        if photo.shape != levels.shape:
            raise BadRecord(f"{levels.shape[:2]} pixels have classes, and it has {photo.shape[:2]}")
        if min(photo.shape[:2]) < self.params.side:
            raise BadRecord(f"it is smaller than --side {self.params.side}")
        wrong = (levels != BORDER) & (levels >= self.params.labels)
        if wrong.any():
            raise BadRecord(f"it has the class {levels[wrong].max()}: raise --labels")
        return photo, levels[:, :, 0]

    def sample(
        self,
        item: tuple[np.ndarray, np.ndarray],
        record: Record,
        split: str,
        patch: int,
        rng: np.random.Generator,
    ) -> Mapping[str, Any]:
        side = self.params.side
        room = [length - side for length in item[1].shape]
        top, left = (rng.integers(r + 1) if split == TRAIN else r // 2 for r in room)
        step = -1 if split == TRAIN and rng.random() < 0.5 else 1
        photo, classes = (each[top : top + side, left : left + side][:, ::step] for each in item)
        return {"image": photo, "classes": classes}

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        return batch["image"], batch["classes"]

    def build_model(self, classes: int) -> Any:
        import keras
        from keras import layers

        side = self.params.side
        image = keras.Input((side, side, 3), dtype="uint8")
        x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
        for width in (1, 2, 4, 8, 1):  # in the end each pixel depends on 33 by 33 pixels
            x = layers.Conv2D(32, 3, padding="same", dilation_rate=width, use_bias=False)(x)
            x = layers.BatchNormalization()(x)
            x = layers.ReLU()(x)
        shares = layers.Conv2D(self.params.labels, 1, activation="softmax", dtype="float32")(x)
        return keras.Model(image, shares, name="segmentation")


def _pairs(links: Path, split: str) -> tuple[Record, ...]:
    records = []
    for photo in sorted((links / split).glob("*.jpg")):
        classes = photo.with_suffix(".png")
        if not classes.is_file():
            raise DataError(f"{photo} has no classes: put a picture beside it, {classes.name}")
        size = photo.stat().st_size + classes.stat().st_size
        records.append(Record(f"{split}/{photo.name}", size))
    return tuple(records)
