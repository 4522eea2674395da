"""Checkpoints of small models."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras

from pushfit.feed.audit import Audited
from pushfit.runs.checkpoint_state import LAST, Best, RunState, Waiting
from pushfit.runs.stream_state import COUNTS
from pushfit.tasks import compatibility
from pushfit.tasks.camera.task import CameraTask
from pushfit.training import checkpoint, hidden_state


def model() -> keras.Model:
    made = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(2, activation="softmax")]
    )
    made.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


def a_state(net: keras.Model, metrics: Any = (), **different: Any) -> RunState:
    fields: dict[str, Any] = {
        "run": "abc", "settings": {"task": "camera", "patch": "32"},
        "source": compatibility.source_of(CameraTask),
        "classes": ("a", "b"), "counts": {"train": [1, 2]}, "fingerprint": "f", "epoch": 1,
        "step": 2, "taken": 6, "resumed_at": [{"epoch": 0, "step": 3}],
        "history": {"loss": [0.1, math.inf]}, "best": Best(0.5, False),
        "waiting": Waiting(0.1 + 0.2, 2, 0), "hidden_state": hidden_state.take(net, list(metrics)),
        "audited": Audited(
            {"train": [{**dict.fromkeys(COUNTS, 0), "stream_sha256": None}]}, [3], bytes(32)
        ),
    }  # fmt: skip
    return RunState(**{**fields, **different})


DIGITS = {"task": "digits", "side": "20", "rotation": "5.5", "batch_size": "32"}


def save(folder: Path, name: str = LAST, **different: Any) -> Path:
    folder.mkdir(exist_ok=True)
    net = model()
    checkpoint.save(net, folder / name, a_state(net, **{"settings": DIGITS} | different))
    return folder
