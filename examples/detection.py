"""Detection with boxes: where are the things in a photo, and what are they?

    python train_zmq.py --task examples/detection.py --links DIR --generators 2

    DIR/train.jsonl, DIR/val.jsonl     a line for each photo:
        {"path": "photos/1.jpg", "boxes": [[left, top, right, bottom, "cat"], …]}

A path is relative to DIR, and boxes are in pixels. In training, photos are mirrored by chance,
with their boxes. A photo may have any number of boxes up to --most: each batch is cut to the most
that one of its photos has. The model says for each cell of a grid which class has its middle there.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from pushfit import regular
from pushfit.decoding import images
from pushfit.errors import BadRecord, DataError
from pushfit.tasks import resizing
from pushfit.tasks.base import TRAIN, VAL, ArraySpec, DataSet, Record, Task

CELL = 8  # pixels of the image that one cell of the grid covers, each way


class DetectionParams(msgspec.Struct, frozen=True, kw_only=True):
    side: Annotated[
        int, Meta(ge=32, description="Width and height of an image, in pixels; a multiple of 8.")
    ] = 128
    most: Annotated[int, Meta(ge=1, description="Largest number of boxes of a photo.")] = 50


class Detection(Task):
    name = "detection"
    Params = DetectionParams
    loss = "binary_crossentropy"
    metrics = ()
    trimmed = {"boxes": "count", "kinds": "count"}

    def scan(self, links: Path) -> DataSet:
        """A record's path is ``train.jsonl:OFFSET:photos/1.jpg``: where its line begins."""
        kinds, splits = set[str](), {}
        for split in (TRAIN, VAL):
            records, offset = [], 0
            lines = regular.read(links / f"{split}.jsonl").splitlines(keepends=True)
            for number, line in enumerate(lines, start=1):
                try:
                    row = json.loads(line)
                    kinds |= {str(box[4]) for box in row["boxes"]}
                    records.append(Record(f"{split}.jsonl:{offset}:{row['path']}"))
                except (ValueError, LookupError, TypeError) as error:
                    raise DataError(f"{split}.jsonl, line {number}: {error!r}") from error
                offset += len(line)
            splits[split] = tuple(sorted(records, key=lambda record: record.path))
        return DataSet((), splits, facts={"kinds": tuple(sorted(kinds))})

    def arrays(self) -> tuple[ArraySpec, ...]:
        side, most = self.params.side, self.params.most
        return (
            ArraySpec("image", "uint8", (side, side, 3)),
            ArraySpec("boxes", "float32", (most, 4)),  # left, top, right, bottom, each 0 to 1
            ArraySpec("kinds", "int32", (most,)),
            ArraySpec("count", "int32", ()),
        )

    def read(self, links: Path, record: Record) -> tuple[bytes, bytes]:
        list_file, offset, path = record.path.split(":", 2)
        with regular.opened(links / list_file) as file:
            file.seek(int(offset))
            return regular.read(links / path), file.readline()

    def decode(self, data: tuple[bytes, bytes], record: Record) -> Any:
        photo, boxes = images.decode(data[0]), json.loads(data[1])["boxes"]
        if len(boxes) > self.params.most:
            raise BadRecord(f"it has {len(boxes)} boxes: raise --most")
        height, width, _ = photo.shape
        corners = np.array([box[:4] for box in boxes], np.float32).reshape(-1, 4)
        relative = corners / np.array([width, height, width, height], np.float32)
        if not (
            (relative >= 0).all()
            and (relative <= 1).all()
            and (corners[:, :2] < corners[:, 2:]).all()
        ):
            raise BadRecord("a box of it has no area, or lies outside of it")
        kinds = [self.facts["kinds"].index(str(box[4])) for box in boxes]
        image = resizing.resize(photo, self.params.side, (0, 0, width, height), "bilinear")
        return image, relative, np.array(kinds, np.int32)

    def sample(
        self, item: Any, record: Record, split: str, patch: int, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        image, relative, kinds = item
        if split == TRAIN and rng.random() < 0.5:
            image = image[:, ::-1]
            relative = np.stack(
                [1 - relative[:, 2], relative[:, 1], 1 - relative[:, 0], relative[:, 3]], axis=1
            )
        count, most = len(kinds), self.params.most
        return {
            "image": image,
            "boxes": np.pad(relative, ((0, most - count), (0, 0))),
            "kinds": np.pad(kinds, (0, most - count)),
            "count": count,
        }

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        """y: (B, side / 8, side / 8, kinds), 1 where the middle of a box of that kind is."""
        cells = self.params.side // CELL
        present = np.arange(batch["boxes"].shape[1]) < batch["count"][:, np.newaxis]
        photo, box = np.nonzero(present)
        left, top, right, bottom = batch["boxes"][photo, box].T
        column = np.minimum((left + right) / 2 * cells, cells - 1).astype(int)
        row = np.minimum((top + bottom) / 2 * cells, cells - 1).astype(int)
        middles = np.zeros((len(present), cells, cells, len(self.facts["kinds"])), np.float32)
        middles[photo, row, column, batch["kinds"][photo, box]] = 1
        return batch["image"], middles

    def build_model(self, classes: int) -> Any:
        import keras
        from keras import layers

        side = self.params.side
        image = keras.Input((side, side, 3), dtype="uint8")
        x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
        for width in (32, 64, 128):  # each halves the picture: CELL in all
            x = layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization()(x)
            x = layers.ReLU()(x)
        x = layers.Conv2D(128, 3, padding="same", activation="relu")(x)
        kinds = len(self.facts["kinds"])
        middles = layers.Conv2D(kinds, 1, activation="sigmoid", dtype="float32")(x)
        return keras.Model(image, middles, name="detection")
