"""Every model scales its own pixels, says what it cannot do, and survives a round trip to disk."""

import keras
import numpy as np
import pytest

from pushfit.errors import ConfigError
from pushfit.training import checkpoint, models
from tests.support.pictures import patches


@pytest.fixture
def precision():
    yield models.set_precision
    models.set_precision("float32")


def test_mobilenet_trains_on_bytes_and_comes_back_from_disk(tmp_path):
    model = models.build("mobilenet", patch=32, classes=5, weights="none", dense1=8, dense2=8)
    models.compile(model, "adam", 1e-3)
    model.run_eagerly = True  # tracing MobileNet takes longer than everything else here
    assert models.monitor(model) == "val_accuracy"
    x, y = patches(), np.arange(4)
    history = model.fit(x, y, validation_data=(x, y), verbose=0).history
    assert models.monitor(model) in history
    expected = keras.ops.convert_to_numpy(model(x))
    assert expected.shape == (4, 5)

    whole, weights = tmp_path / "m.keras", tmp_path / "m.weights.h5"
    checkpoint.save(model, whole)
    model.save_weights(weights)
    again = models.build("mobilenet", patch=32, classes=5, weights=str(whole))
    np.testing.assert_array_equal(again(x), expected)
    again = models.build("mobilenet", patch=32, classes=5, weights=str(weights), dense1=8, dense2=8)
    np.testing.assert_array_equal(again(x), expected)

    with pytest.raises(ConfigError, match=r"its outputs is \{'class': 5\}, this run's .*9"):
        models.build("mobilenet", patch=32, classes=9, weights=str(whole))
    with pytest.raises(ConfigError, match="its model is mobilenet, this run's resnet50"):
        models.build("resnet50", patch=32, classes=5, weights=str(whole))
    with pytest.raises(ConfigError, match="does not fit smallcnn"):
        models.build("smallcnn", patch=32, classes=5, weights=str(weights))


def of_pixels():
    image = keras.Input((8, 8, 3), dtype="uint8")
    scaled = keras.layers.Rescaling(1 / 255)(image)
    mask = keras.layers.Conv2D(1, 1, activation="sigmoid", name="mask")(scaled)
    edge = keras.layers.Conv2D(1, 1, activation="sigmoid", name="edge")(scaled)
    return image, mask, edge


@pytest.mark.parametrize(
    ("metrics", "monitor"),
    [(None, "val_loss"), (["binary_accuracy"], "val_loss"), (["accuracy"], "val_accuracy")],
)
def test_other_targets_have_a_loss_of_their_own(tmp_path, metrics, monitor):
    image, mask, _ = of_pixels()
    model = keras.Model(image, mask)
    models.compile(model, "adam", 1e-3, "binary_crossentropy", metrics=metrics)
    assert models.monitor(model) == monitor
    x, y = patches(side=8), np.ones((4, 8, 8, 1), np.uint8)
    assert monitor in model.fit(x, y, validation_data=(x, y), verbose=0).history
    checkpoint.save(model, tmp_path / "m.keras")
    assert models.monitor(checkpoint.load(tmp_path / "m.keras", compiled=True)) == monitor


class Subclass(keras.Model):
    def __init__(self):
        super().__init__()
        self.last = keras.layers.Dense(2, activation="softmax")

    def call(self, x):
        return self.last(keras.ops.cast(x, "float32"))


@pytest.mark.parametrize(
    "model",
    [
        lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")]),
        lambda: keras.Sequential([keras.layers.Dense(2, activation="softmax")]),
        Subclass,
    ],
)
def test_models_whose_outputs_have_no_names_of_their_own(model):
    model = model()
    models.compile(model, "sgd", 0.1)
    model.fit(np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1]), verbose=0)
    assert models.monitor(model) == "val_accuracy"
    assert "accuracy" in model.get_metrics_result()


def test_losses_by_output_and_metrics_of_one():
    image, mask, edge = of_pixels()
    model = keras.Model(image, {"mask": mask, "edge": edge})
    models.compile(model, "adam", 1e-3, {"mask": "mse", "edge": "mae"}, metrics={"mask": ["mae"]})
    assert models.monitor(model) == "val_loss"
    y = np.ones((4, 8, 8, 1), np.uint8)
    logs = model.fit(patches(side=8), {"mask": y, "edge": y}, verbose=0).history
    assert "mask_mae" in logs


def test_smallcnn_with_both_heads_and_the_flag(tmp_path):
    model = models.build("smallcnn", patch=8, classes=3, weights="none", manipulations=8, flag=True)
    models.compile(model, "sgd", 0.01)
    x = {"image": patches(side=8), "manipulated": np.ones((4, 1), np.float32)}
    y = {"class": np.array([0, 1, 2, 0]), "manipulation": np.arange(4)}
    history = model.fit(x, y, validation_data=(x, y), verbose=0).history
    assert models.monitor(model) == "val_class_accuracy"
    assert {"val_class_accuracy", "val_manipulation_accuracy"} <= set(history)
    out = model(x)
    assert (out["class"].shape, out["manipulation"].shape) == ((4, 3), (4, 8))

    path = tmp_path / "m.keras"
    checkpoint.save(model, path)
    again = models.build(
        "smallcnn", patch=8, classes=3, weights=str(path), manipulations=8, flag=True
    )
    np.testing.assert_array_equal(again(x)["class"], out["class"])
    with pytest.raises(ConfigError, match="its inputs is"):
        models.build("smallcnn", patch=8, classes=3, weights=str(path), manipulations=8)


def test_smallcnn_takes_grey_digits():
    model = models.build("smallcnn", patch=(28, 28, 1), classes=10, weights="none")
    assert model(patches(2, 28, 1)).shape == (2, 10)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_probabilities_and_scaling_are_float32_in_mixed_precision(precision, policy):
    precision(policy)
    model = models.build("smallcnn", patch=8, classes=3, weights="none", manipulations=2)
    assert {out.dtype for out in model.outputs} == {"float32"}
    assert {layer.compute_dtype for layer in model.layers if "conv" in layer.name} == {policy[6:]}
    assert [layer.compute_dtype for layer in model.layers if "rescaling" in layer.name] == [
        "float32"
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "mobilenett"}, "did you mean 'mobilenet'"),
        ({"name": "resnet55"}, "unknown model 'resnet55', did you mean 'resnet50'"),
        ({"patch": (32, 48, 3)}, "square, not 32x48"),
        ({"name": "mobilenet", "patch": (32, 32, 2)}, "needs grey or RGB patches, not 2 channels"),
        ({"weights": "imagenet"}, "smallcnn has no ImageNet weights: use --weights none"),
        ({"name": "resnet34", "weights": "imagenet"}, "resnet34 has no ImageNet weights"),
        ({"weights": "nowhere.keras"}, "no model file nowhere.keras"),
        ({"weights": "nowhere.weights.h5"}, "no model file nowhere.weights.h5"),
        ({"weights": "mobilenet_1_0_224_tf_no_top.h5"}, r"\.keras/models"),
        ({"weights": "imagenett"}, "use auto, imagenet, none, or a FILE"),
    ],
)
def test_what_cannot_be_built_is_refused_with_a_reason(arguments, message):
    with pytest.raises(ConfigError, match=message):
        models.build(
            **({"name": "smallcnn", "patch": 32, "classes": 3, "weights": "none"} | arguments)
        )


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_a_foreign_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"m{suffix}"
    path.write_bytes(b"not a model at all")
    with pytest.raises(ConfigError, match=f"m{suffix}"):
        models.build("smallcnn", patch=8, classes=3, weights=str(path))


def test_unknown_optimizer_and_precision():
    with pytest.raises(ConfigError, match="did you mean 'adam'"):
        models.compile(keras.Model(), "adamm", 1e-3)
    with pytest.raises(ConfigError, match="did you mean 'mixed_float16'"):
        models.set_precision("mixed_float61")


@pytest.mark.parametrize("name", ["mobilenet", "squeezenet1.1"])
def test_a_frozen_body_stays_as_it_is_also_from_disk(name, tmp_path):
    model = models.build(name, patch=32, classes=3, weights="none", dense1=8, dense2=8)
    models.freeze_body(model)
    models.compile(model, "adam", 0.01)
    whole = tmp_path / "best.keras"

    def moved(model):
        model.run_eagerly = True
        before = model.get_weights()
        model.train_on_batch(patches(), np.arange(4) % 3)
        return [not np.array_equal(*pair) for pair in zip(before, model.get_weights(), strict=True)]

    head = moved(model)
    assert any(head[-6:]) and not any(head[:-6])  # three dense layers; averages stand still, too
    checkpoint.save(model, whole)
    again = keras.saving.load_model(whole)
    assert len(again.trainable_weights) == 6
    assert not any(moved(again)[:-6])

    thawed = models.build(name, patch=32, classes=3, weights=str(whole))
    models.compile(thawed, "adam", 0.01)
    assert any(moved(thawed)[:-6])
