"""Files with tasks, as users write them, right and wrong."""

from __future__ import annotations

from pathlib import Path

GOOD = """
from typing import Annotated

from msgspec import Meta

from lib.tasks.labelled import LabelledImages, LabelledParams


class DotsParams(LabelledParams):
    gain: Annotated[float, Meta(ge=0, le=1, description="How much brighter.")] = 0.5


class Dots(LabelledImages):
    name = "dots"
    Params = DotsParams
    row = {"epochs": 3}

    def augment(self, image, rng):
        return image[:, ::-1] if rng.random() < self.params.gain else image
"""


def write_task(path: Path, source: str = GOOD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    return path


def with_method(method: str, name: str = "dots") -> str:
    """`GOOD`, with `method` (its lines unindented) put at the end of the class."""
    lines = "".join(f"    {line}\n" for line in method.strip().splitlines())
    return "import numpy as np\n" + GOOD.replace('"dots"', f'"{name}"') + "\n" + lines


# Samples of 192 KiB that cost nearly nothing to make: a record holds its number.
BIG = """
import numpy as np

from lib.errors import BadRecord
from lib.tasks.base import ArraySpec, DataSet, Record, Task

CLASSES = ("even", "odd")


class Big(Task):
    name = "big"

    def scan(self, links):
        found = {
            split: tuple(
                Record(f"{split}/{name}/{path.name}", path.stat().st_size, label)
                for label, name in enumerate(CLASSES)
                for path in sorted((links / split / name).glob("*.txt"))
            )
            for split in ("train", "val")
        }
        return DataSet(CLASSES, found)

    def arrays(self):
        return ArraySpec("image", "uint8", (256, 256, 3)), ArraySpec("label", "int32", ())

    def decode(self, data, record):
        if data == b"bad":
            raise BadRecord("it says so itself")
        return data

    def sample(self, item, record, split, patch, rng):
        image = np.frombuffer(rng.bytes(256 * 256 * 3), np.uint8).reshape(256, 256, 3)
        return {"image": image, "label": record.label}

    def to_fit(self, batch):
        return batch["image"], batch["label"]
"""
