"""Batches for TensorFlow: a data set of known types and length, whose batches are read in place."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
import tensorflow as tf

from pushfit.adapters.tensorflow import dataset
from tests.support.made_leases import SPECS
from tests.support.readings import EPOCHS, SIZE, TRAIN, VAL, Opened, hashes, whole

SPEC = {
    "id": tf.TensorSpec((None, 3), tf.int64),
    "twice": tf.TensorSpec((None,), tf.int64),
}


def test_what_a_data_set_says_of_itself() -> None:
    reading = Opened().reading
    made = dataset(reading, "train")
    assert made.element_spec == SPEC
    assert int(made.cardinality()) == len(made) == TRAIN
    assert int(dataset(reading, "val").cardinality()) == VAL


def test_what_map_makes_of_it_is_of_the_same_length() -> None:
    opened = Opened()
    mapped = dataset(opened.reading, "train").map(lambda batch: batch["id"] + 1)
    assert mapped.element_spec == tf.TensorSpec((None, 3), tf.int64)
    again = mapped.map(lambda ids: ids - 1, num_parallel_calls=1)
    assert int(again.cardinality()) == TRAIN
    assert [ids.numpy().tolist() for ids in again] == whole()["train"][:TRAIN]


def test_each_iteration_is_the_next_pass() -> None:
    opened, found = Opened(), {"train": [], "val": []}
    sets = {split: dataset(opened.reading, split) for split in found}
    for epoch in range(EPOCHS):
        for split, made in sets.items():
            for number, batch in enumerate(made):
                found[split].append(batch["id"].numpy().tolist())
                assert opened.passes.position() == (epoch, split, number + 1)  # nothing ahead
    assert found == whole()
    audit = opened.feed.audit()
    assert {s: [row["stream_sha256"] for row in rows] for s, rows in audit.items()} == hashes()


def test_a_pass_that_continues_an_epoch_is_shorter_and_ends_without_an_error() -> None:
    opened = Opened(epoch=1, step=4)
    made = dataset(opened.reading, "train")
    train = whole()["train"]
    assert [batch["id"].numpy().tolist() for batch in made] == train[TRAIN + 4 : 2 * TRAIN]
    assert [batch["id"].numpy().tolist() for batch in made] == train[2 * TRAIN :]


def test_a_batch_is_read_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its memory is aligned as TensorFlow wants it; on a GPU there is one copy."""
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("TensorFlow has a GPU: its batches are copied there")
    opened, places = Opened(), list[int]()
    pull = opened.feed.pull

    def noted() -> Any:
        batch = pull()
        if len(batch.arrays["id"]) == SIZE:
            places.append(batch.arrays["id"].ctypes.data)
        return batch

    monkeypatch.setattr(opened.feed, "pull", noted)
    # .numpy() would copy, a view of the tensor's memory does not
    read = [np.asarray(memoryview(b["id"])) for b in dataset(opened.reading, "train")]
    assert [each.ctypes.data for each in read if len(each) == SIZE] == places
    assert len(places) >= TRAIN - 1


def test_arrays_come_under_their_names_in_any_order() -> None:
    """TensorFlow sorts the names of a structure."""
    opened = Opened()
    reading = msgspec.structs.replace(opened.reading, arrays=SPECS[::-1])
    assert [spec.name for spec in reading.arrays] == ["twice", "id"]
    first = next(iter(dataset(reading, "train")))
    assert first["id"].numpy().tolist() == whole()["train"][0]
    assert (first["twice"].numpy() == 2 * first["id"].numpy()[:, 1]).all()
