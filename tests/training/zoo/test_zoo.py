"""Every body takes every patch, is as large as its paper says, and trains."""

import keras
import numpy as np
import pytest

from pushfit.errors import ConfigError
from pushfit.settings.models import MODELS
from pushfit.training import models, zoo
from pushfit.training.zoo import applications
from tests.support.pictures import patches

# Of the whole network with the paper's head for 1,000 classes, batch statistics not counted, as
# torchvision's documentation lists them.
PUBLISHED = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "squeezenet1.0": 1_248_424,
    "squeezenet1.1": 1_235_496,
    "mnasnet0.5": 2_218_512,
    "mnasnet1.0": 4_383_312,
}


def bare(name, side=224, channels=3):
    image = keras.Input((side, side, channels), dtype="uint8")
    body = zoo.find(name)
    return keras.Model(image, body.features(zoo.fitted(image, body), "none"))


def moved(name, side, channels):
    """Which of the weights one step on a batch moves, in order."""
    shape = (side, side, channels)
    keras.utils.set_random_seed(0)  # of a few relus with random weights, all may give nothing
    model = models.build(name, patch=shape, classes=3, weights="none", dense1=32, dense2=32)
    models.compile(model, "sgd", 1e-3)
    model.run_eagerly = True  # tracing takes longer than the step
    before = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    loss = model.train_on_batch(patches(2, side, channels), np.arange(2))[0]
    assert np.isfinite(loss)
    after = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    return [not np.array_equal(*pair) for pair in zip(before, after, strict=True)]


@pytest.mark.parametrize("name", PUBLISHED)
def test_ours_are_as_large_as_published(name):
    model = bare(name)
    classifier = (model.output_shape[1] + 1) * 1000  # dense, or a 1 × 1 convolution
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert trained + classifier == PUBLISHED[name]
    assert model.count_params() == MODELS[name].parameters


@pytest.mark.parametrize("shape", [(28, 1), (64, 3)])
@pytest.mark.parametrize("name", [*zoo.OWN, "mobilenet", "mobilenetv3small"])
def test_they_train_on_grey_digits_and_on_small_photos(name, shape):
    assert all(moved(name, *shape))


def resolutions(model):
    """Sides of what the layers give, without repetition."""
    sides = [layer.output.shape[1] for layer in model.layers if len(layer.output.shape) == 4]
    return [side for side, last in zip(sides, [None, *sides], strict=False) if side != last]


def test_below_64_pixels_our_stems_keep_the_resolution():
    assert resolutions(bare("resnet18", 28, 1)) == [28, 14, 7, 4]
    assert resolutions(bare("resnet18", 64)) == [64, 32, 16, 8, 4, 2]
    assert resolutions(bare("squeezenet1.1", 28, 1)) == [28, 14, 7]
    assert resolutions(bare("squeezenet1.1", 63)) == [63, 32, 16]
    assert resolutions(bare("squeezenet1.0", 64)) == [64, 32, 16, 8, 4]
    assert resolutions(bare("mnasnet0.5", 28, 1)) == [28, 14, 7, 4, 2]
    assert resolutions(bare("mnasnet0.5", 64)) == [64, 32, 16, 8, 4, 2]


def fitted(name, pixels):
    image = keras.Input(pixels.shape[1:], dtype="uint8")
    model = keras.Model(image, zoo.fitted(image, zoo.find(name)))
    return keras.ops.convert_to_numpy(model(pixels))


@pytest.mark.parametrize(
    ("name", "side", "becomes"),
    [("vgg16", 28, 56), ("vgg16", 32, 32), ("inceptionv3", 28, 84), ("inceptionv3", 75, 75),
     ("xception", 70, 140), ("mobilenet", 8, 32), ("smallcnn", 7, 14)],
)  # fmt: skip
def test_small_patches_are_enlarged_by_the_least_whole_factor(name, side, becomes):
    pixels = patches(2, side, 3)
    seen = fitted(name, pixels)
    assert seen.shape == (2, becomes, becomes, 3)
    if side == becomes:
        np.testing.assert_array_equal(seen, pixels)
    else:  # between the pixels, and as bright on the whole
        assert seen.min() >= pixels.min() and seen.max() <= pixels.max()
        np.testing.assert_allclose(seen.mean((1, 2)), pixels.mean((1, 2)), atol=3.0)


def test_grey_is_repeated_for_applications_alone():
    pixels = patches(2, 32, 1)
    np.testing.assert_array_equal(fitted("mobilenet", pixels), np.repeat(pixels, 3, axis=-1))
    np.testing.assert_array_equal(fitted("resnet18", pixels), pixels)


def test_the_table_has_every_model():
    assert set(MODELS) == {*zoo.OWN, *applications.members()}
    assert {name for name, model in MODELS.items() if model.imagenet} == set(applications.members())


@pytest.mark.parametrize("name", sorted(applications.members()))
def test_the_least_side_is_what_keras_says(name):
    application, least = applications.members()[name], MODELS[name].least
    with pytest.raises(ValueError, match=f"at least {least}x{least}"):
        application(include_top=False, weights=None, input_shape=(1, 1, 3))


def test_a_model_that_this_keras_does_not_have_is_told(monkeypatch):
    monkeypatch.delattr(keras.applications, "VGG16")
    with pytest.raises(ConfigError, match=r"has no model vgg16: install .* constraints\.txt"):
        zoo.find("vgg16")


# One of each family: to build all forty takes three minutes.
FAMILIES = (
    "convnexttiny", "densenet121", "efficientnetb0", "efficientnetv2b0", "inceptionv3", "mobilenet",
    "mobilenetv2", "mobilenetv3small", "nasnetmobile", "resnet50", "vgg16", "xception",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_applications_take_digits_and_are_as_large_as_listed(name):
    model = bare(name, 28, 1)
    assert model.count_params() == MODELS[name].parameters
    keras.backend.clear_session()
