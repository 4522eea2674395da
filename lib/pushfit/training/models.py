"""A model by name: a body of `zoo`, and the heads that the task wants on it.

It takes uint8 patches and scales them itself: bytes travel, and a saved model carries its
preprocessing with it. On the body's features stands the head dense → dropout → dense → softmax;
smallcnn has its own.

Inputs   `image` (N, P, P, channels) uint8; with `flag` also `manipulated` (N, 1) float32, joined
         to the features: the model is told whether the patch was manipulated.
Outputs  `class` (N, classes) float32 probabilities; with `manipulations` also `manipulation`
         (N, manipulations). A model with one output returns the array alone, with two a dict.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from pushfit.errors import ConfigError, nearest
from pushfit.runs import model_file
from pushfit.settings.code import HUB
from pushfit.settings.models import STARTS
from pushfit.training import checkpoint, optimizers, schedules, zoo

log = logging.getLogger("pushfit.trainer")

HIGHPASS_GAIN = 8.0  # what is left of a pixel is mostly within ±10 levels of 255
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")

_Shape = tuple[int, int, int]


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
    weights: "imagenet" (applications only), "none" (random), "auto" (ImageNet's where they are
        there or quickly fetched, else random, with a line that says so), or a FILE: a whole
        `.keras` model that this function made (it keeps its own head sizes and precision), or the
        `.weights.h5` of one built with the same arguments and weights "none".
    dense1, dropout, dense2: the head of all bodies but smallcnn, which has its own, of 256 units.
    manipulations: classes of the auxiliary head.
    highpass: show the network what is left of each pixel after its neighbourhood (see `_highpass`).

    Raises ConfigError.
    """
    body, shape = zoo.find(name), _shape(patch)
    name = body.name if name.startswith(HUB) else name
    model_file.check_weights(weights)
    if weights.endswith(model_file.KERAS):
        model = checkpoint.load(Path(weights))
        _check(model, weights, _interface(name, shape, classes, manipulations, flag))
        for layer in model.layers:  # the run before may have frozen its body
            layer.trainable = True
        return model
    if weights == "imagenet" and not body.known.imagenet:
        raise ConfigError(f"{name} has no ImageNet weights: use --weights none")

    image = keras.Input(shape, dtype="uint8", name="image")
    inputs = {"image": image}
    seen = zoo.fitted(_highpass(image) if highpass else image, body)
    if weights == "auto" and not body.known.imagenet:
        log.info("Weights   random: %s has no ImageNet weights", name)
    features = body.features(seen, weights if weights in ("auto", "imagenet") else "none")
    if flag:
        inputs["manipulated"] = keras.Input((1,), dtype="float32", name="manipulated")
        features = keras.layers.Concatenate()([features, inputs["manipulated"]])
    if body.head is not None:
        features = body.head(features)
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
    if weights not in STARTS:
        _load_weights(model, Path(weights))
    return model


def compile(
    model: keras.Model,
    optimizer: str,
    learning_rate: schedules.Rate,
    loss: Any = None,
    metrics: Any = None,
    arguments: Mapping[str, Any] | None = None,
    *,
    targets: bool = True,
) -> None:
    """Compile for integer labels, with accuracy on every head. Raises ConfigError.

    With the auxiliary head the two losses are added; `monitor` says which metric is followed.
    loss, metrics: of a task with other targets, as Keras takes them.
    arguments: of the optimizer, besides its learning rate; None: Keras's own.
    targets: batches have a y; False: the loss is the model's own, unless `loss` names one.
    """
    rule = optimizers.make(optimizer, learning_rate, arguments)
    heads = head_names(model)
    several = len(heads) > 1
    if loss is None and targets:
        classes = "sparse_categorical_crossentropy"
        loss = dict.fromkeys(heads, classes) if several else classes
        if metrics is None:
            metrics = {head: ["accuracy"] for head in heads} if several else ["accuracy"]
    model.compile(
        optimizer=rule,
        loss=_for_one(model, "loss", _made(loss, keras.losses.get)),
        metrics=_for_one(model, "metrics", _made(metrics, keras.metrics.get)),
    )


def _for_one(model: keras.Model, what: str, given: Any) -> Any:
    """`given` for the only output of a Sequential, which Keras does not know by its name."""
    if not isinstance(given, dict) or not isinstance(model, keras.Sequential):
        return given
    name = model.layers[-1].name
    if set(given) != {name}:
        raise ConfigError(
            f"{what} is for the outputs {', '.join(map(repr, given))}, and the model {model.name} "
            f"has one, {name!r}"
        )
    return given[name]


def _made(given: Any, get: Callable[[Any], Any]) -> Any:
    """Losses or metrics in which configurations, {"class_name": …}, have become what they name."""
    if isinstance(given, dict):
        if "class_name" in given:
            return get(given)
        return {name: _made(each, get) for name, each in given.items()}
    return [_made(each, get) for each in given] if isinstance(given, list | tuple) else given


def freeze_body(model: keras.Model) -> None:
    """Leave only the head of a model that `build` has made to be trained; compile it afterwards.

    A frozen body also keeps its batch statistics. What is saved says so, layer by layer.
    """
    for layer in model.layers:  # no body has a dense layer but in a model within the model
        layer.trainable = isinstance(layer, keras.layers.Dense | keras.layers.Dropout)


def head_names(model: keras.Model) -> list[str]:
    """The names of its outputs; ``[""]`` for a Sequential or a subclass, whose one has none."""
    return getattr(model, "output_names", None) or [""]


def monitor(model: keras.Model) -> str:
    """The metric that decides what is best: accuracy of the class head on the validation split.

    Where the model is not measured by accuracy, its loss there.
    """
    metrics = model.get_compile_config()["metrics"] or []
    if isinstance(metrics, dict):
        return "val_class_accuracy" if "accuracy" in metrics.get("class", ()) else "val_loss"
    return "val_accuracy" if "accuracy" in metrics else "val_loss"


def set_precision(policy: str) -> None:
    """Make models built from now on compute in `policy` (see PRECISIONS). Raises ConfigError."""
    if policy not in PRECISIONS:
        raise ConfigError(
            f"unknown precision {policy!r}{nearest(policy, PRECISIONS)}; "
            f"known are {', '.join(PRECISIONS)}"
        )
    keras.mixed_precision.set_global_policy(policy)


def _shape(patch: int | _Shape) -> _Shape:
    shape = patch if isinstance(patch, tuple) else (patch, patch, 3)
    if shape[0] != shape[1]:
        raise ConfigError(f"patches must be square, not {shape[0]}x{shape[1]}")
    return shape


def _highpass(image: Any) -> Any:
    """The image less its 3×3 mean, around mid-grey and enlarged, in 0..255 as images are.

    Demosaicing, sharpening, noise and JPEG leave traces a few levels high at the scale of a pixel;
    a network that sees the scene as well learns that first, and often nothing else.
    """
    x = keras.ops.cast(image, "float32")
    mean = keras.layers.AveragePooling2D(3, strides=1, padding="same", dtype="float32")(x)
    return (x - mean) * HIGHPASS_GAIN + 127.5


def _load_weights(model: keras.Model, path: Path) -> None:
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
            for name, tensor in zip(head_names(model), model.outputs, strict=True)
        },
    }
    for key, value in wanted.items():
        if found[key] != value:
            raise ConfigError(f"--weights {path}: its {key} is {found[key]}, this run's {value}")
