"""A task whose records are numbers in files: quick to make, easy to check by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pushfit.errors import BadRecord
from pushfit.tasks.base import ArraySpec, DataSet, Record, Task

CLASSES = ("even", "odd")


class NumberParams(msgspec.Struct, frozen=True, kw_only=True):
    side: int = 4


class NumberTask(Task):
    """A file holds a number n; its samples are n plus noise. "bad", "raise", "wide" misbehave."""

    name = "number"
    Params = NumberParams
    params: NumberParams

    def scan(self, links: Path) -> DataSet:
        splits: dict[str, tuple[Record, ...]] = {}
        for split in ("train", "val"):
            found = [
                Record(str(path.relative_to(links)), path.stat().st_size, label)
                for label, name in enumerate(CLASSES)
                for path in sorted((links / split / name).glob("*.txt"))
            ]
            splits[split] = tuple(found)
        return DataSet(CLASSES, splits)

    def arrays(self) -> tuple[ArraySpec, ...]:
        side = self.params.side
        return ArraySpec("image", "float32", (side, side)), ArraySpec("label", "int32", ())

    def decode(self, data: bytes, record: Record) -> str:
        if data == b"bad":
            raise BadRecord("it says so itself")
        return data.decode()

    def sample(
        self, item: str, record: Record, split: str, patch: int, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        if item == "raise":
            return {"image": [][1], "label": 0}
        side = self.params.side + (item == "wide")
        number = 0 if item == "wide" else int(item)
        image = (number + rng.random((side, side))).astype(np.float32)
        return {"image": image, "label": record.label}

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        return batch["image"], batch["label"]


def write_numbers(links: Path, train: int = 12, val: int = 3) -> Path:
    """`train` and `val` records, numbered on, evens and odds in their folders."""
    for split, count in (("train", train), ("val", val)):
        for number in range(count):
            folder = links / split / CLASSES[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number:03}.txt").write_text(str(number))
    return links
