"""Presets of keras-hub, over a stand-in for it that has its interface; the pip line without it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from pushfit.errors import ConfigError
from pushfit.settings.programs.train import TrainSettings
from pushfit.training import models


def backbone(preset: str, load_weights: bool = True) -> keras.Model:
    if preset != "tiny":
        raise ValueError(f"no preset\n {preset}")
    image = keras.Input((None, None, 3))
    value = 0.5 if load_weights else 0.0
    conv = keras.layers.Conv2D(4, 3, kernel_initializer=keras.initializers.Constant(value))
    return keras.Model(image, conv(image), name="body")


class Converter:
    @staticmethod
    def from_preset(preset: str) -> Any:
        return SimpleNamespace(get_config=lambda: {"scale": [0.5, 0.5, 0.5], "offset": [0, 0, 1]})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    made = SimpleNamespace(
        models=SimpleNamespace(Backbone=SimpleNamespace(from_preset=backbone)),
        layers=SimpleNamespace(ImageConverter=Converter),
    )
    monkeypatch.setitem(sys.modules, "keras_hub", made)
    yield


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("patch", [(8, 8, 3), (8, 8, 1)])
def test_a_preset_is_a_body_with_our_head(patch: tuple[int, int, int]) -> None:
    model = models.build("hub:tiny", patch=patch, classes=5, weights="auto")
    assert model.name == "hub_tiny"
    x = np.full((2, *patch), 10, np.uint8)
    assert model(x).shape == (2, 5)
    (scaling,) = (each for each in model.layers if isinstance(each, keras.layers.Rescaling))
    seen = keras.Model(model.input, scaling.output)(x)
    np.testing.assert_allclose(seen, np.broadcast_to([5, 5, 6], (2, 8, 8, 3)))
    np.testing.assert_array_equal(model.get_layer("body").get_weights()[0], 0.5)
    models.freeze_body(model)
    assert not model.get_layer("body").trainable and model.get_layer("class").trainable


@pytest.mark.usefixtures("hub")
def test_random_weights_and_a_preset_that_does_not_exist() -> None:
    model = models.build("hub:tiny", patch=8, classes=2, weights="none")
    assert not np.any(model.get_layer("body").get_weights()[0])
    with pytest.raises(ConfigError, match="--model hub:none cannot be made: keras-hub says ValueE"):
        models.build("hub:none", patch=8, classes=2)


def test_without_keras_hub_the_pip_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    assert TrainSettings(model="hub:a/b_c").model == "hub:a/b_c"
    with pytest.raises(ConfigError, match=r"needs keras-hub, .*: pip install keras-hub"):
        models.build("hub:tiny", patch=8, classes=2)
