"""Models by name: `smallcnn`, and every image model of `keras.applications`.

Each takes uint8 patches and scales them itself: bytes travel, and a saved model carries its
preprocessing with it. On an application's pooled features stands the head
dense → dropout → dense → softmax. The list of applications, and what each wants its pixels to look
like, are found by asking Keras, not kept in a table here.

Inputs   `image` (N, P, P, channels) uint8; with `flag` also `manipulated` (N, 1) float32, joined
         to the features: the model is told whether the patch was manipulated.
Outputs  `class` (N, classes) float32 probabilities; with `manipulations` also `manipulation`
         (N, manipulations). A model with one output returns the array alone, with two a dict.
"""

from __future__ import annotations

import inspect
import os
import re
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lib.errors import ConfigError, nearest
from lib.trainer import checkpoint

SMALLCNN = "smallcnn"
SMALLCNN_LEAST = 8  # pixels: two halvings must leave something to look at
SMALLCNN_FLAT = 32  # pixels: above it features are averaged rather than flattened
SMALLCNN_DROPOUT = 0.3
HIGHPASS_GAIN = 8.0  # what is left of a pixel is mostly within ±10 levels of 255
FETCH_TIMEOUT = 30.0  # seconds without a single byte before a fetch of weights is given up
OPTIMIZERS = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")

_Shape = tuple[int, int, int]


def applications() -> dict[str, Callable[..., Any]]:
    """The image models of `keras.applications`: {lower-case name: the function that makes it}."""
    return {
        name.lower(): member
        for name, member in inspect.getmembers(keras.applications, callable)
        if "include_top" in inspect.signature(member).parameters
    }


def check(name: str) -> dict[str, Callable[..., Any]]:
    """`applications()`. Raises ConfigError where `name` is none of them, nor smallcnn."""
    known = applications()
    if name != SMALLCNN and name not in known:
        raise ConfigError(
            f"unknown model {name!r}{nearest(name, [SMALLCNN, *known])}; "
            f"known are {', '.join([SMALLCNN, *sorted(known)])}"
        )
    return known


def build(
    name: str,
    *,
    patch: int | _Shape,
    classes: int,
    weights: str = "imagenet",
    dense1: int = 512,
    dropout: float = 0.3,
    dense2: int = 128,
    manipulations: int | None = None,
    flag: bool = False,
    highpass: bool = False,
) -> keras.Model:
    """An uncompiled model; the module's docstring gives its inputs and outputs.

    patch: side in pixels of RGB patches, or (P, P, channels).
    weights: "imagenet" (applications only), "none" (random), or a FILE: a whole `.keras` model that
        this function made (it keeps its own head sizes and precision), or the `.weights.h5` of one
        built with the same arguments and weights "none".
    dense1, dropout, dense2: the head of applications; smallcnn has its own, of 256 units.
    manipulations: classes of the auxiliary head.
    highpass: show the network what is left of each pixel after its neighbourhood (see `_highpass`).

    Raises ConfigError.
    """
    known = check(name)
    shape = _shape(name, patch)
    if weights.endswith(".keras"):
        model = checkpoint.load(Path(weights))
        _check(model, weights, _interface(name, shape, classes, manipulations, flag))
        return model

    image = keras.Input(shape, dtype="uint8", name="image")
    inputs = {"image": image}
    seen = _highpass(image) if highpass else image
    if name == SMALLCNN:
        if weights == "imagenet":
            raise ConfigError("smallcnn has no ImageNet weights: use --weights none")
        features = _smallcnn_features(seen)
    else:
        backbone = _backbone(name, known[name], shape, weights)
        features = backbone(_preprocess(known[name], seen))
    if flag:
        inputs["manipulated"] = keras.Input((1,), dtype="float32", name="manipulated")
        features = keras.layers.Concatenate()([features, inputs["manipulated"]])
    if name == SMALLCNN:
        features = keras.layers.Dense(256, activation="relu")(features)
        features = keras.layers.Dropout(SMALLCNN_DROPOUT)(features)
    else:
        features = keras.layers.Dense(dense1, activation="relu")(features)
        features = keras.layers.Dropout(dropout)(features)
        features = keras.layers.Dense(dense2, activation="relu")(features)
    # Whatever the precision of the rest, probabilities and the loss on them are float32.
    outputs = {
        head: keras.layers.Dense(units, activation="softmax", dtype="float32", name=head)(features)
        for head, units in (("class", classes), ("manipulation", manipulations))
        if units is not None
    }
    model = keras.Model(
        inputs if flag else image, outputs if manipulations else outputs["class"], name=name
    )
    if weights not in ("imagenet", "none"):
        _load_weights(model, Path(weights))
    return model


def compile(model: keras.Model, optimizer: str, learning_rate: float) -> None:
    """Compile for integer labels, with accuracy on every head. Raises ConfigError.

    With the auxiliary head the two losses are added; `monitor` says which metric is followed.
    """
    if optimizer not in OPTIMIZERS:
        raise ConfigError(
            f"unknown optimizer {optimizer!r}{nearest(optimizer, OPTIMIZERS)}; "
            f"known are {', '.join(OPTIMIZERS)}"
        )
    heads = model.output_names
    loss = "sparse_categorical_crossentropy"
    several = len(heads) > 1
    model.compile(
        optimizer=OPTIMIZERS[optimizer](learning_rate),
        loss=dict.fromkeys(heads, loss) if several else loss,
        metrics={head: ["accuracy"] for head in heads} if several else ["accuracy"],
    )


def monitor(model: keras.Model) -> str:
    """The metric that decides what is best: accuracy of the class head on the validation split."""
    return "val_accuracy" if len(model.output_names) == 1 else "val_class_accuracy"


def set_precision(policy: str) -> None:
    """Make models built from now on compute in `policy` (see PRECISIONS). Raises ConfigError."""
    if policy not in PRECISIONS:
        raise ConfigError(
            f"unknown precision {policy!r}{nearest(policy, PRECISIONS)}; "
            f"known are {', '.join(PRECISIONS)}"
        )
    keras.mixed_precision.set_global_policy(policy)


def preprocessing(application: Callable[..., Any]) -> tuple[bool, list[float], list[float]]:
    """What an application wants done to RGB pixels of 0 to 255: (flip, scale, offset).

    Channels are reversed to BGR when `flip`; then channel c becomes x·scale[c] + offset[c]. Found
    by putting black, red, green and blue through its own `preprocess_input`, and checked on noise.
    """
    process = inspect.getmodule(application).preprocess_input  # type: ignore[union-attr]
    # float64, and copies: it works in place, and float32 rounding would end up in the figures.
    black, *primaries = process(np.vstack([np.zeros((1, 3)), 255 * np.eye(3)])[:, None, None])
    offset = black.ravel()
    mixing = (np.stack(primaries).reshape(3, 3) - offset) / 255  # row: channel in, column: out
    flip = bool(mixing[0, 0] == 0)
    scale = np.diag(mixing[:, ::-1])[::-1] if flip else np.diag(mixing)
    noise = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3)).astype(np.float64)
    ours = (noise[..., ::-1] if flip else noise) * scale + offset
    if not np.allclose(ours, process(noise.copy()), atol=1e-4):
        raise ConfigError(
            f"{application.__name__}.preprocess_input is not a scale and an offset a channel: "
            "choose another model"
        )
    return flip, scale.tolist(), offset.tolist()


def _shape(name: str, patch: int | _Shape) -> _Shape:
    shape = patch if isinstance(patch, tuple) else (patch, patch, 3)
    if shape[0] != shape[1]:
        raise ConfigError(f"patches must be square, not {shape[0]}x{shape[1]}")
    if name != SMALLCNN and shape[2] != 3:
        raise ConfigError(f"{name} needs RGB patches, not {shape[2]} channel(s): use smallcnn")
    if name == SMALLCNN and shape[0] < SMALLCNN_LEAST:
        raise _too_small(name, shape, str(SMALLCNN_LEAST))
    return shape


def _too_small(name: str, shape: _Shape, least: str) -> ConfigError:
    return ConfigError(
        f"{name} needs patches of at least {least} pixels, not {shape[0]}: "
        f"use --patch {least} or more, or another model"
    )


def _highpass(image: Any) -> Any:
    """The image less its 3×3 mean, around mid-grey and enlarged, in 0..255 as images are.

    Demosaicing, sharpening, noise and JPEG leave traces a few levels high at the scale of a pixel;
    a network that sees the scene as well learns that first, and often nothing else.
    """
    x = keras.ops.cast(image, "float32")
    mean = keras.layers.AveragePooling2D(3, strides=1, padding="same", dtype="float32")(x)
    return (x - mean) * HIGHPASS_GAIN + 127.5


def _smallcnn_features(image: Any) -> Any:
    """The classic digits network 32-32-64-64, up to the features that its 256 units see.

    Added to the classic: the scaling; "same" padding, so that any patch from SMALLCNN_LEAST pixels
    fits; batch normalisation, which makes a few hundred steps enough; and, above SMALLCNN_FLAT
    pixels, the mean of each feature map instead of all its pixels, as what makes up a texture is
    the same everywhere (and a 512-px patch would make 268 million weights).
    """
    x = keras.layers.Rescaling(1 / 128, offset=-1.0, dtype="float32")(image)
    for filters in (32, 64):
        for _ in range(2):
            x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = keras.layers.BatchNormalization(momentum=0.9)(x)
            x = keras.layers.ReLU()(x)
        x = keras.layers.MaxPooling2D()(x)
    if image.shape[1] > SMALLCNN_FLAT:
        return keras.layers.GlobalAveragePooling2D()(x)
    return keras.layers.Flatten()(x)


def _preprocess(application: Callable[..., Any], image: Any) -> Any:
    """The application's preprocessing as layers that are saved with the model (no Lambda).

    In float32 whatever the precision: bfloat16 cannot hold the 256 levels once they are scaled.
    """
    flip, scale, offset = preprocessing(application)
    x = keras.ops.flip(image, axis=-1) if flip else image
    return keras.layers.Rescaling(scale, offset, dtype="float32")(x)


def _backbone(name: str, application: Callable[..., Any], shape: _Shape, weights: str) -> Any:
    pretrained = weights == "imagenet"
    try:
        with _fetching(), warnings.catch_warnings():
            # MobileNet says that weights made at 224 pixels serve other sizes: they do.
            warnings.filterwarnings("ignore", message=".*`input_shape` is undefined or non-square")
            return application(
                include_top=False,
                weights="imagenet" if pretrained else None,
                input_shape=shape,
                pooling="avg",
            )
    except Exception as error:  # Keras raises a bare Exception when a download fails
        if least := re.search(r"at least (\d+)x\1", str(error)):
            raise _too_small(name, shape, least[1]) from error
        if not pretrained:
            raise ConfigError(f"cannot build {name}: {error}") from error
        raise ConfigError(_fetch_advice(name, error)) from error


@contextmanager
def _fetching() -> Iterator[None]:
    """Give up on a server that is silent for FETCH_TIMEOUT; Keras alone would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(FETCH_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _fetch_advice(name: str, error: Exception) -> str:
    url = re.search(r"https?://\S+\.\w+", str(error))
    # Where `keras.utils.get_file` looks: $KERAS_HOME, else ~/.keras.
    models = Path(os.environ.get("KERAS_HOME", "~/.keras")) / "models"
    target = models / url[0].rsplit("/", 1)[1] if url else models
    return (
        f"cannot fetch the ImageNet weights of {name}: {error}. On a machine with internet access "
        f"download {url[0] if url else 'the file that Keras names above'} and put it to {target} "
        "here; or start from your own model with --weights FILE, or with --weights none"
    )


def _load_weights(model: keras.Model, path: Path) -> None:
    if not path.name.endswith(".weights.h5"):
        raise ConfigError(
            f"--weights {path}: use imagenet, none, or a FILE that ends in .keras or .weights.h5 "
            "(a .h5 file from Keras's own server goes to ~/.keras/models, for --weights imagenet)"
        )
    if not path.is_file():
        raise ConfigError(f"--weights {path}: there is no such file")
    try:
        model.load_weights(path)
    except Exception as error:  # h5py and Keras raise whatever a foreign file brings about
        raise ConfigError(
            f"--weights {path} does not fit {model.name} as it is to be built: "
            f"{str(error).strip().splitlines()[0]}"
        ) from error


def _interface(
    name: str, shape: _Shape, classes: int, manipulations: int | None, flag: bool
) -> dict[str, Any]:
    """What a saved model must agree on with the run, in words for the message."""
    inputs = {"image": shape} | ({"manipulated": (1,)} if flag else {})
    outputs = {"class": classes} | ({"manipulation": manipulations} if manipulations else {})
    return {"model": name, "inputs": inputs, "outputs": outputs}


def _check(model: keras.Model, path: str, wanted: dict[str, Any]) -> None:
    found = {
        "model": model.name,
        "inputs": {tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs},
        "outputs": {
            name: tensor.shape[-1]
            for name, tensor in zip(model.output_names, model.outputs, strict=True)
        },
    }
    for key, value in wanted.items():
        if found[key] != value:
            raise ConfigError(f"--weights {path}: its {key} is {found[key]}, this run's {value}")
