"""Synthetic data without any files: is the shape in a picture a disc, a square or a cross?

    python train_zmq.py --task examples/synthetic.py --links . --generators 2

A record is a number. What a sample shows is drawn from its random numbers alone, so an epoch may be
as long as you like, and the stream is the same for any fleet. --links may name any folder.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from pushfit.tasks.base import TRAIN, VAL, ArraySpec, DataSet, Record, RecordTable, Task

SHAPES = ("disc", "square", "cross")


class SyntheticParams(msgspec.Struct, frozen=True, kw_only=True):
    side: Annotated[int, Meta(ge=16, description="Width and height of a picture, in pixels.")] = 32
    pictures: Annotated[int, Meta(ge=1, description="Pictures of each shape in an epoch.")] = 1000


class Synthetic(Task):
    name = "synthetic"
    Params = SyntheticParams
    row = {"model": "smallcnn"}
    shared_scan = True

    def scan(self, links: Path) -> DataSet:
        def made(split: str, count: int) -> RecordTable:
            return RecordTable.of(
                Record(f"{split}/{name}/{number:09}", 0, label)
                for label, name in enumerate(SHAPES)
                for number in range(count)
            )

        count = self.params.pictures
        return DataSet(SHAPES, {TRAIN: made(TRAIN, count), VAL: made(VAL, max(count // 10, 1))})

    def arrays(self) -> tuple[ArraySpec, ...]:
        side = self.params.side
        return ArraySpec("image", "uint8", (side, side, 3)), ArraySpec("label", "int32", ())

    def read(self, links: Path, record: Record) -> bytes:
        return b""  # there is nothing to read

    def decode(self, data: bytes, record: Record) -> None:
        return None

    def sample(
        self, item: None, record: Record, split: str, patch: int, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        side = self.params.side
        ground, colour = rng.integers(0, 256, (2, 3), np.uint8)
        radius = rng.integers(side // 8, side // 4 + 1)
        y, x = rng.integers(radius, side - radius, 2)
        down, right = (np.abs(axis) for axis in np.ogrid[-y : side - y, -x : side - x])
        shown = {
            "disc": down**2 + right**2 <= radius**2,
            "square": np.maximum(down, right) <= radius,
            "cross": (np.minimum(down, right) <= radius // 3) & (np.maximum(down, right) <= radius),
        }[SHAPES[record.label]]
        return {"image": np.where(shown[..., np.newaxis], colour, ground), "label": record.label}

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        return batch["image"], batch["label"]

    def caption(self, batch: Mapping[str, np.ndarray], i: int, classes: tuple[str, ...]) -> str:
        return classes[int(batch["label"][i])]
