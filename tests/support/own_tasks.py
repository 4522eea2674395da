"""Files with tasks, as users write them, right and wrong."""

from __future__ import annotations

from pathlib import Path

GOOD = """
from typing import Annotated

from msgspec import Meta

from pushfit.tasks.labelled import LabelledImages, LabelledParams


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


# The camera task whose processes read a few photos each and the rest once links/open is there: so
# that a fleet is still at work when another generator comes, however quick the machine is.
GATED = """
import time

from pushfit.tasks.camera.task import CameraTask

FREE = 12


class Gated(CameraTask):
    name = "gated"
    reads = 0

    def read(self, links, record):
        self.reads += 1
        while self.reads > FREE and not (links / "open").exists():
            time.sleep(0.01)
        return super().read(links, record)
"""

# Samples of 192 KiB that cost nearly nothing to make: a record holds its number. While links/hold
# is there, a process makes as many reads as that says, and then waits.
BIG = """
import time

import numpy as np

from pushfit.errors import BadRecord
from pushfit.tasks.base import ArraySpec, DataSet, Record, Task

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

    def read(self, links, record):
        hold = links / "hold"  # where it is, each read takes a file from it, or waits for one
        while hold.is_dir() and not self.taken(hold):
            time.sleep(0.01)
        return super().read(links, record)

    def taken(self, hold):
        for leave in hold.glob("*"):
            try:
                leave.unlink()
                return True
            except FileNotFoundError:  # by another generator
                pass
        return False

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

# A task without data: a sample is four numbers and their mean.
PLAIN = """
import numpy as np

from pushfit.tasks.base import ArraySpec, DataSet, Record, Task


class Plain(Task):
    name = "plain"
    loss = "mse"

    def scan(self, links):
        def records(split):
            return tuple(Record(f"{split}/{number:02}", 0, 0) for number in range(32))

        return DataSet(("all",), {split: records(split) for split in ("train", "val")})

    def arrays(self):
        return ArraySpec("x", "float32", (4,)), ArraySpec("y", "float32", (1,))

    def read(self, links, record):
        return None

    def decode(self, data, record):
        return data

    def sample(self, item, record, split, patch, rng):
        x = rng.random(4, np.float32)
        return {"x": x, "y": x[:1]}

    def to_fit(self, batch):
        return batch["x"], batch["y"]

    def build_model(self, classes):
        import keras

        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="out")], name="net")
"""


def plain(methods: str = "") -> str:
    """`PLAIN`, with `methods` (their lines unindented) put at the end of the class."""
    return PLAIN + "".join(f"    {line}\n" for line in methods.strip().splitlines())


# A task without data: a record is a number, and a sample is that number as `n`.
NUMBERS = """
import numpy as np

from pushfit.tasks.base import ArraySpec, DataSet, Record, Task

COUNT = 20


class Numbers(Task):
    name = "numbers"
    loss = "mse"

    def scan(self, links):
        records = tuple(Record(f"{number:03}") for number in range(COUNT))
        return DataSet((), {"train": records, "val": records[:5]})

    def arrays(self):
        return (ArraySpec("n", "int32", ()),)

    def read(self, links, record):
        return None

    def decode(self, data, record):
        return int(record.path)

    def sample(self, item, record, split, patch, rng):
        return {"n": np.int32(item)}

    def to_fit(self, batch):
        return batch["n"].astype("float32"), batch["n"].astype("float32")
"""


def numbers(methods: str = "") -> str:
    """`NUMBERS`, with `methods` (their lines unindented) put at the end of the class."""
    return NUMBERS + "".join(f"    {line}\n" for line in methods.strip().splitlines())


# Classes of numbers with weights. The last batches are of 2 and 5 samples with --batch-size 8.
ODD = """
import numpy as np

from pushfit.tasks.base import ArraySpec, DataSet, Record, Task

COUNTS = {"train": 50, "val": 21}


class Odd(Task):
    name = "odd"
    metrics = ("accuracy", "sparse_categorical_crossentropy")

    def scan(self, links):
        def records(split):
            return tuple(Record(f"{split}/{number:02}", 0, 0) for number in range(COUNTS[split]))

        return DataSet(("all",), {split: records(split) for split in COUNTS})

    def arrays(self):
        return ArraySpec("x", "float32", (4,)), ArraySpec("y", "int32", ())

    def read(self, links, record):
        return None

    def decode(self, data, record):
        return data

    def sample(self, item, record, split, patch, rng):
        x = rng.random(4, np.float32)
        return {"x": x, "y": np.int32(x.argmax() % 3)}

    def to_fit(self, batch):
        return batch["x"], batch["y"], batch["x"].sum(1)

    def net(self):
        import keras

        dense = keras.layers.Dense
        parts = [keras.Input((4,)), dense(16, "relu"), dense(3, "softmax", name="out")]
        return keras.Sequential(parts, name="net")

    def build_model(self, classes):
        return self.net()
"""


def odd(methods: str = "") -> str:
    """`ODD`, with `methods` (their lines unindented) put at the end of the class."""
    return ODD + "".join(f"    {line}\n" for line in methods.strip().splitlines())


# Methods of a model that has no target: it learns its input.
NO_TARGET = """
def to_fit(self, batch):
    return batch["x"], None

def build_model(self, classes):
    import keras

    @keras.saving.register_keras_serializable("untargeted")
    class Coder(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            assert y is None
            return keras.ops.mean((x - y_pred) ** 2)

    x = keras.Input((4,))
    return Coder(x, keras.layers.Dense(4, name="out")(x), name="coder")
"""
