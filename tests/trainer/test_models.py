"""Every model scales its own pixels, says what it cannot do, and survives a round trip to disk."""

import inspect
import socket

import keras
import numpy as np
import pytest

from lib.errors import ConfigError
from lib.trainer import checkpoint, models

APPLICATIONS = models.applications()


def patches(count=4, side=32, channels=3):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, channels), dtype=np.uint8)


@pytest.fixture
def precision():
    yield models.set_precision
    models.set_precision("float32")


def test_applications_are_found_by_their_lower_case_names():
    assert {"mobilenet", "resnet50", "efficientnetb0", "mobilenetv3small"} <= set(APPLICATIONS)
    assert "preprocess_input" not in APPLICATIONS


@pytest.mark.parametrize("name", sorted(APPLICATIONS))
def test_preprocessing_layers_do_what_the_applications_own_function_does(name):
    application = APPLICATIONS[name]
    image = keras.Input((8, 8, 3), dtype="uint8")
    ours = keras.Model(image, models._preprocess(application, image))
    pixels = patches(side=8)
    theirs = inspect.getmodule(application).preprocess_input(pixels.astype(np.float32))
    np.testing.assert_allclose(ours(pixels), theirs, atol=1e-3)


def test_each_mode_of_preprocessing_is_met():
    def found(name):
        return models.preprocessing(APPLICATIONS[name])

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
        models.preprocessing(APPLICATIONS["mobilenet"])


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


def test_channel_flip_survives_the_disk(tmp_path):
    image = keras.Input((8, 8, 3), dtype="uint8")
    model = keras.Model(image, models._preprocess(APPLICATIONS["vgg16"], image))
    checkpoint.save(model, tmp_path / "m.keras")
    again = checkpoint.load(tmp_path / "m.keras")
    np.testing.assert_array_equal(again(patches(side=8)), model(patches(side=8)))


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
        ({"name": "mobilenet", "patch": 31}, "at least 32 pixels, not 31"),
        ({"name": "xception"}, "at least 71 pixels, not 32"),
        ({"name": "smallcnn", "patch": 7}, "at least 8 pixels, not 7"),
        ({"patch": (32, 48, 3)}, "square, not 32x48"),
        ({"name": "mobilenet", "patch": (32, 32, 1)}, "needs RGB patches"),
        ({"weights": "imagenet"}, "no ImageNet weights"),
        ({"weights": "nowhere.keras"}, "no model file nowhere.keras"),
        ({"weights": "nowhere.weights.h5"}, "no such file"),
        ({"weights": "mobilenet_1_0_224_tf_no_top.h5"}, r"\.keras/models"),
        ({"weights": "imagenett"}, "use imagenet, none, or a FILE"),
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


@pytest.fixture
def proxy(monkeypatch, tmp_path):
    """A proxy through which all fetches go, that accepts connections and never answers."""
    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.getsockname()[1]}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield server


def test_a_silent_server_is_given_up_and_the_way_out_is_told(proxy, monkeypatch):
    monkeypatch.setattr(models, "FETCH_TIMEOUT", 0.3)
    with pytest.raises(
        ConfigError, match=r"timed out.*/models/mobilenet_1_0_224_tf_no_top\.h5"
    ) as e:
        models.build("mobilenet", patch=32, classes=3, weights="imagenet")
    assert "--weights FILE" in str(e.value)
    assert "--weights none" in str(e.value)
    assert socket.getdefaulttimeout() is None


def test_no_network_is_told(proxy):
    proxy.close()  # refused at once
    with pytest.raises(ConfigError, match=r"refused.*put it to .*mobilenet_1_0_224_tf_no_top\.h5"):
        models.build("mobilenet", patch=48, classes=3, weights="imagenet")
