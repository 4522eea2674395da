"""The model as serving calls it: batches of any size, several inputs, the class head alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from pushfit.errors import ConfigError
from pushfit.serving.model import Net
from pushfit.tasks.base import Task
from pushfit.tasks.camera.params import CameraParams
from pushfit.tasks.camera.task import CameraTask
from pushfit.tasks.digits.task import DigitsParams, DigitsTask
from pushfit.training import models


def run_of(model: keras.Model, task: Task, classes: int) -> Any:
    names = tuple("abcdefghij"[:classes])
    return SimpleNamespace(file=Path("x.keras"), model=lambda: model, task=task, classes=names)


def pictures(count: int) -> list[np.ndarray]:
    """Noise on white paper."""
    rng = np.random.default_rng(0)
    sheets = np.full((count, 40, 50, 3), 255, np.uint8)
    sheets[:, 5:-5, 5:-5] = rng.integers(0, 256, (count, 30, 40, 3))
    return list(sheets)


def test_batches_of_any_size_give_what_the_model_gives() -> None:
    model = models.build("smallcnn", patch=(28, 28, 1), classes=10, weights="none")
    task = DigitsTask(DigitsParams())
    net = Net(run_of(model, task, 10), most=5)
    samples = [task.from_picture(picture) for picture in pictures(5)]
    images = np.stack([sample["image"] for sample in samples])
    wanted = np.asarray(model(images, training=False))
    for count in (1, 2, 3, 5):
        found = net(samples[:count])
        assert found.shape == (count, 10) and found.dtype == np.float32
        np.testing.assert_allclose(found, wanted[:count], atol=1e-5)


def test_the_flag_is_a_second_input_and_the_class_head_is_what_is_told() -> None:
    task = CameraTask(CameraParams(patch=16, aux=True, flag=True))
    model = models.build("smallcnn", classes=2, weights="none", **task.model_needs())
    net = Net(run_of(model, task, 2), most=2)
    samples = [task.from_picture(picture) for picture in pictures(2)]
    x, _ = task.to_fit({name: np.stack([s[name] for s in samples]) for name in samples[0]})
    wanted = np.asarray(model(x, training=False)["class"])
    np.testing.assert_allclose(net(samples), wanted, atol=1e-5)


def test_a_model_of_other_classes_is_refused() -> None:
    model = models.build("smallcnn", patch=(28, 28, 1), classes=10, weights="none")
    with pytest.raises(ConfigError, match=r"gives \(10,\) numbers for a picture, but .* 3 classes"):
        Net(run_of(model, DigitsTask(DigitsParams()), 3), most=1)
