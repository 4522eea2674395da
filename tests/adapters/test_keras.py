"""Batches for `fit`: each of an epoch once and in order, with all of fit's defaults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Any, cast

import pytest

from bench.lab.processes import ROOT
from pushfit.adapters.keras import dataset
from pushfit.adapters.to_fit import ToFit
from pushfit.tasks.base import Task
from tests.support.fitted import fitted
from tests.support.made_leases import SPECS
from tests.support.readings import (
    FIELDS,
    TRAIN,
    VAL,
    Fields,
    Opened,
    hashes,
    whole,
)

# With TensorFlow a pass is a tf.data.Dataset. Keras tells everybody that it shuffles none.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.shuffle=True. was passed:UserWarning"),
]
FORMS: list[dict[str, Any]] = [
    {"built": True},
    {"built": False},  # Keras looks at a first batch
    {"built": False, "once": True},
    {"built": False, "counted": True},
]


def elsewhere(backend: str, *forms: dict[str, Any]) -> list[dict[str, Any]]:
    """What `fitted` returns for each of `forms` on another back end."""
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.fitted", json.dumps(forms)],
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=ROOT, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def is_the_whole_stream(found: dict[str, Any]) -> None:
    assert found["seen"] == whole()
    rows = {split: found["audit"][split] for split in ("train", "val")}
    assert {s: [row["stream_sha256"] for row in each] for s, each in rows.items()} == hashes()
    for row in rows["train"] + rows["val"]:
        assert (row["missing"], row["duplicate"], row["skipped"]) == (0, 0, 0)


@pytest.mark.parametrize("form", FORMS)
def test_fit_sees_the_stream(form: dict[str, Any]) -> None:
    is_the_whole_stream(fitted(**form))


def seldom(found: dict[str, Any]) -> None:
    """Of validation in every second epoch: the first is skipped, and the third not begun."""
    assert found["seen"]["train"] == whole()["train"]
    assert found["seen"]["val"] == whole()["val"][VAL : 2 * VAL]
    rows = found["audit"]["val"]
    assert [(row["seen"], row["skipped"], row["missing"]) for row in rows] == [
        (0, 10, 0),
        (10, 0, 0),
    ]
    assert rows[1]["stream_sha256"] == hashes()["val"][1]


def test_validation_in_every_second_epoch() -> None:
    seldom(fitted(validation_freq=2))


REST = {"train": slice(TRAIN + 4, None), "val": slice(VAL, None)}


def test_fit_continues_within_an_epoch() -> None:
    seen = fitted(epoch=1, step=4, once=True)["seen"]
    assert seen == {split: whole()[split][rest] for split, rest in REST.items()}
    with pytest.raises(Exception, match="train has 10 batches, and fit was told 6, since"):
        fitted(epoch=1, step=4)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_back_ends(backend: str) -> None:
    """With fit's default, shuffle=True, too: the order is the stream's all the same."""
    continued = {"epoch": 1, "step": 4}
    others = ({"validation_freq": 2}, {**continued, "once": True}, continued)
    *wholes, second, once, told = elsewhere(backend, *FORMS, *others)
    assert len(wholes) == len(FORMS)
    for found in wholes:
        is_the_whole_stream(found)
    seldom(second)
    assert once["seen"] == {split: whole()[split][rest] for split, rest in REST.items()}
    assert "this pass over train has 10 batches, and fit was told 6, since" in told["error"]


def test_what_fit_is_given() -> None:
    opened, to_fit = Opened(), ToFit(FIELDS, SPECS)
    made = dataset(opened.reading, to_fit, "train")
    assert int(made.cardinality()) == TRAIN
    x, y = made.element_spec
    assert (x.shape.as_list(), x.dtype.name) == ([None, 3], "float32")
    assert (y.shape.as_list(), y.dtype.name) == ([None], "float32")
    assert dataset(opened.reading, to_fit, "test") is None
    assert opened.passes.position() == (0, "train", 0)


class Unsorted(Fields):
    """Its inputs are named against the alphabet, and within one another."""

    def to_fit(self, arrays: Any) -> Any:
        x = {"second": {"z": arrays["id"], "a": arrays["twice"]}, "first": arrays["twice"] + 1}
        return x, arrays["twice"]


def test_inputs_come_under_their_names_in_any_order() -> None:
    opened = Opened()
    to_fit = ToFit(cast(Task, Unsorted()), SPECS)
    x, y = next(iter(dataset(opened.reading, to_fit, "train")))
    assert x["second"]["z"].numpy().tolist() == whole()["train"][0]
    assert (x["first"].numpy() == x["second"]["a"].numpy() + 1).all()
    assert (y.numpy() == x["second"]["a"].numpy()).all()
