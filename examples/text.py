"""Text with padding: which class is a text of?

    python train_zmq.py --task examples/text.py --links DIR --generators 2

    DIR/train.tsv, DIR/val.tsv     a line for each text: its class, a tab, the text, in UTF-8

The model reads bytes, so no vocabulary is needed. Texts have any length up to --longest; each batch
is padded to its longest text, rounded up to a multiple of 32. In training, a longer text is cut at
random.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from pushfit import regular
from pushfit.errors import DataError
from pushfit.tasks.base import TRAIN, VAL, ArraySpec, DataSet, Record, Task


class TextParams(msgspec.Struct, frozen=True, kw_only=True):
    longest: Annotated[int, Meta(ge=8, description="Largest number of bytes of a text.")] = 512


class Text(Task):
    name = "text"
    Params = TextParams
    trimmed = {"bytes": "length"}
    trim_multiple = 32

    def scan(self, links: Path) -> DataSet:
        """A record's path is ``train.tsv:OFFSET``, where its text begins."""
        found: dict[str, list[tuple[str, int, int]]] = {}
        for split in (TRAIN, VAL):
            rows, at = [], 0
            lines = regular.read(links / f"{split}.tsv").splitlines(keepends=True)
            for number, line in enumerate(lines, start=1):
                name, tab, text = line.rstrip(b"\r\n").partition(b"\t")
                if not tab or not name or not text:
                    raise DataError(f"{split}.tsv, line {number}: write a class, a tab, and a text")
                rows.append((name.decode(), at + len(name) + 1, len(text)))
                at += len(line)
            found[split] = rows
        classes = sorted({name for name, _, _ in found[TRAIN]})
        if unknown := {name for name, _, _ in found[VAL]} - set(classes):
            raise DataError(f"val.tsv has the class {min(unknown)!r}, and train.tsv has not")
        splits = {
            split: tuple(
                sorted(
                    (Record(f"{split}.tsv:{at:012}", size, classes.index(name))
                     for name, at, size in rows),
                    key=lambda record: (record.label, record.path),
                )
            )
            for split, rows in found.items()
        }  # fmt: skip
        return DataSet(tuple(classes), splits)

    def arrays(self) -> tuple[ArraySpec, ...]:
        return (
            ArraySpec("bytes", "uint8", (self.params.longest,)),
            ArraySpec("length", "int32", ()),
            ArraySpec("label", "int32", ()),
        )

    def read(self, links: Path, record: Record) -> bytes:
        name, _, at = record.path.rpartition(":")
        with regular.opened(links / name) as file:
            file.seek(int(at))
            return file.read(record.size)

    def decode(self, data: bytes, record: Record) -> np.ndarray:
        return np.frombuffer(data, np.uint8)

    def sample(
        self, item: np.ndarray, record: Record, split: str, patch: int, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        longest = self.params.longest
        room = max(len(item) - longest, 0)
        start = rng.integers(room + 1) if split == TRAIN else 0
        text = item[start : start + longest]
        padded = np.pad(text, (0, longest - len(text)))
        return {"bytes": padded, "length": len(text), "label": record.label}

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        return batch["bytes"], batch["label"]  # no text has a byte 0: it is padding

    def build_model(self, classes: int) -> Any:
        import keras
        from keras import layers

        text = keras.Input((None,), dtype="uint8")
        x = layers.Embedding(256, 32, mask_zero=True)(text)
        x = layers.Bidirectional(layers.GRU(32))(x)
        shares = layers.Dense(classes, activation="softmax", dtype="float32")(x)
        return keras.Model(text, shares, name="text")
