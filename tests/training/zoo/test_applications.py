"""The applications of Keras: found, and preprocessed as they want it."""

import inspect

import keras
import numpy as np
import pytest

from pushfit.errors import ConfigError
from pushfit.training import checkpoint
from pushfit.training.zoo import applications
from tests.support.pictures import patches

APPLICATIONS = applications.members()


def test_applications_are_found_by_their_lower_case_names():
    assert {"mobilenet", "resnet50", "efficientnetb0", "mobilenetv3small"} <= set(APPLICATIONS)
    assert "preprocess_input" not in APPLICATIONS


@pytest.mark.parametrize("name", sorted(APPLICATIONS))
def test_preprocessing_layers_do_what_the_applications_own_function_does(name):
    application = APPLICATIONS[name]
    image = keras.Input((8, 8, 3), dtype="uint8")
    ours = keras.Model(image, applications.preprocessed(image, application))
    pixels = patches(side=8)
    theirs = inspect.getmodule(application).preprocess_input(pixels.astype(np.float32))
    np.testing.assert_allclose(ours(pixels), theirs, atol=1e-3)


def test_each_mode_of_preprocessing_is_met():
    def found(name):
        return applications.preprocessing(APPLICATIONS[name])

    assert found("resnet50") == (True, [1, 1, 1], pytest.approx([-103.939, -116.779, -123.68]))
    assert found("mobilenet") == (False, pytest.approx([1 / 127.5] * 3), [-1, -1, -1])
    assert found("efficientnetb0") == (False, [1, 1, 1], [0, 0, 0])
    flip, scale, _ = found("densenet121")
    assert not flip
    assert scale == pytest.approx([1 / 255 / s for s in (0.229, 0.224, 0.225)])


def test_preprocessing_that_is_not_affine_is_refused(monkeypatch):
    module = inspect.getmodule(APPLICATIONS["mobilenet"])
    monkeypatch.setattr(module, "preprocess_input", lambda x: x**2)
    with pytest.raises(ConfigError, match=r"MobileNet\.preprocess_input is not a scale"):
        applications.preprocessing(APPLICATIONS["mobilenet"])


def test_channel_flip_survives_the_disk(tmp_path):
    image = keras.Input((8, 8, 3), dtype="uint8")
    model = keras.Model(image, applications.preprocessed(image, APPLICATIONS["vgg16"]))
    checkpoint.save(model, tmp_path / "m.keras")
    again = checkpoint.load(tmp_path / "m.keras")
    np.testing.assert_array_equal(again(patches(side=8)), model(patches(side=8)))
