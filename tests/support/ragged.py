"""A stream of texts of several lengths, without processes, and a `fit` on it.

    KERAS_BACKEND=jax python -m tests.support.ragged

It prints JSON: what `fitted` returns for the stream as it is trimmed, and as it is declared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import msgspec
import numpy as np

from pushfit.adapters.reading import Reading
from pushfit.feed.feed import Feed
from pushfit.feed.passes import Passes
from pushfit.feed.source import Delivery, Source
from pushfit.plan.lease import Lease
from pushfit.plan.order import Plan
from pushfit.tasks.base import ArraySpec, Task
from pushfit.tasks.trimming import Trimming
from tests.support.made_leases import SAMPLE, Maker
from tests.support.readings import EPOCHS, SIZE, SPLITS, Opened

SIDE, MULTIPLE = 24, 4  # of `ids`, as declared
LONGEST = 13  # ids in a sample
SPECS = (
    ArraySpec("ids", "int32", (SIDE,)),
    ArraySpec("length", "uint8", ()),
    ArraySpec("y", "float32", ()),
)


class Texts:
    """A task of which an adapter needs no more than this.

    sides: those of `ids` in the batches that `to_fit` was given.
    """

    name, source = "texts", "own"
    trim_multiple = MULTIPLE

    def __init__(self, *, trimmed: bool) -> None:
        self.trimmed: Mapping[str, str] = {"ids": "length"} if trimmed else {}
        self.sides: list[int] = []

    def to_fit(self, batch: Any) -> tuple[Any, ...]:
        side = batch["ids"].shape[1]
        if batch["length"].any():  # not one of zeros, to learn shapes from
            self.sides.append(side)
        mask = np.arange(side) < batch["length"][:, None]
        return {"ids": batch["ids"], "mask": mask}, batch["y"], np.ones(len(mask), np.float32)


class TextMaker(Maker):
    def made(self, lease: Lease) -> Delivery:
        made = super().made(lease)
        ids = made.arrays[0]
        lengths = (1 + ids @ (3, 7, 5) % LONGEST).astype(np.uint8)
        texts = ((np.arange(SIDE) < lengths[:, None]) * (1 + ids[:, 1:2])).astype(np.int32)
        return Delivery(lease, (texts, lengths, lengths.astype(np.float32)), made.bad)


class Ragged(Opened):
    """An open stream of texts. trimmed: whether its batches are."""

    def __init__(self, *, trimmed: bool = True) -> None:
        made = Texts(trimmed=trimmed)
        self.task, self.sides = cast(Task, made), made.sides
        source = cast(Source, TextMaker(Plan(7, EPOCHS, SPLITS, SAMPLE, 2)))
        self.feed = Feed(source, SPECS, SIZE, hashed=True, trim=Trimming(self.task, SPECS))
        self.passes = Passes(self.feed)
        self.reading = self.reading_at(None)

    def reading_at(self, epoch: int | None) -> Reading:
        reading = super().reading_at(epoch)
        return msgspec.structs.replace(reading, arrays=SPECS, shapes=self.feed.shapes)


def side_of(lengths: np.ndarray) -> int:
    """What a batch of texts of these lengths is cut to."""
    return max(MULTIPLE, -(-int(lengths.max()) // MULTIPLE) * MULTIPLE)


def declared() -> dict[str, list[dict[str, np.ndarray]]]:
    """{split: the batches of all epochs as they are declared}."""
    found: dict[str, list[dict[str, np.ndarray]]] = {split: [] for split in SPLITS}
    for batch in Ragged(trimmed=False).feed.all():
        found[batch.segment.split].append({n: a.copy() for n, a in batch.arrays.items()})
    return found


def check(found: Mapping[str, list[Mapping[str, Any]]]) -> None:
    """Assert that `found` has the batches of the stream, each cut to its longest text.

    found: {split: batches of all epochs, of whatever numpy makes arrays of}.
    """
    sides = set()
    for split, batches in declared().items():
        assert len(found[split]) == len(batches)
        for got, whole in zip(found[split], batches, strict=True):
            side = side_of(whole["length"])
            sides.add(side)
            assert got.keys() == whole.keys()
            np.testing.assert_array_equal(np.asarray(got["ids"]), whole["ids"][:, :side])
            for name in ("length", "y"):
                np.testing.assert_array_equal(np.asarray(got[name]), whole[name])
    assert len(sides) > 1  # batches of one length show nothing


def check_hash(feed: Feed) -> None:
    """Assert that the hash of all that was read of `feed` is that of the stream as declared."""
    whole = Ragged(trimmed=False).feed
    list(whole.all())
    assert feed.audit() == whole.audit()


def fitted(*, trimmed: bool) -> dict[str, Any]:
    """What a model of texts has learned, and the sides of the batches that it saw."""
    import keras
    from keras import layers

    from pushfit.adapters.keras import dataset
    from pushfit.adapters.to_fit import ToFit

    keras.utils.set_random_seed(0)
    opened = Ragged(trimmed=trimmed)
    ids = keras.Input((None,), dtype="int32", name="ids")
    mask = keras.Input((None,), dtype="bool", name="mask")
    x = layers.GlobalAveragePooling1D()(layers.Embedding(16, 4)(ids), mask=mask)
    model = keras.Model({"ids": ids, "mask": mask}, layers.Dense(1)(x))
    model.compile("sgd", "mse")
    to_fit = ToFit(opened.task, SPECS, model)
    model.fit(
        dataset(opened.reading, to_fit, "train"),
        validation_data=dataset(opened.reading, to_fit, "val"),
        epochs=EPOCHS,
        verbose=0,
        shuffle=False,
    )
    check_hash(opened.feed)
    weights = [np.asarray(each).ravel().tolist() for each in model.get_weights()]
    return {"weights": weights, "sides": opened.sides}


if __name__ == "__main__":
    print(json.dumps([fitted(trimmed=trimmed) for trimmed in (True, False)]))
