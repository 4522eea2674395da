"""The image models of `keras.applications`: how each wants its pixels, and its weights."""

from __future__ import annotations

import inspect
import logging
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from typing import Any

import keras
import numpy as np

from pushfit.errors import ConfigError
from pushfit.terminal import steering
from pushfit.training.zoo import fetching
from pushfit.training.zoo.body import Body

log = logging.getLogger("pushfit.trainer")

Application = Callable[..., Any]


def members() -> dict[str, Application]:
    """{lower-case name: the function that makes it}."""
    return {
        name.lower(): member
        for name, member in inspect.getmembers(keras.applications, callable)
        if "include_top" in inspect.signature(member).parameters
    }


def body(name: str) -> Body:
    """Raises ConfigError for a model that this version of Keras does not have."""
    application = members().get(name)
    if application is None:
        raise ConfigError(
            f"Keras {keras.__version__} has no model {name}: install the version that "
            "constraints.txt names, or choose another model"
        )
    return Body(name, partial(_features, name, application))


def _features(name: str, application: Application, image: Any, weights: str) -> Any:
    shape = tuple(image.shape[1:])
    return _made(name, application, shape, weights)(preprocessed(image, application))


def preprocessed(image: Any, application: Application) -> Any:
    """The application's preprocessing as layers that are saved with the model (no Lambda).

    In float32 whatever the precision: bfloat16 cannot hold the 256 levels once they are scaled.
    """
    flip, scale, offset = preprocessing(application)
    x = keras.ops.flip(image, axis=-1) if flip else image
    return keras.layers.Rescaling(scale, offset, dtype="float32")(x)


def preprocessing(application: Application) -> tuple[bool, list[float], list[float]]:
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


def _made(name: str, application: Application, shape: tuple[int, ...], weights: str) -> Any:
    """The application on images of `shape`. Raises ConfigError.

    weights: "auto" falls back to random ones, with a line that says why.
    """
    if weights == "auto":
        try:
            with fetching.quickly():
                made = _built(application, shape, pretrained=True)
        except Exception as error:  # see below; some take no other shape than that of ImageNet
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            log.info(
                "Weights   random: those of ImageNet cannot be had quickly (%s); --weights "
                "imagenet waits for them, --weights none leaves them out",
                reason,
            )
        else:
            log.info("Weights   of ImageNet (--weights none: random ones)")
            return made
    pretrained = weights == "imagenet"
    try:
        return _built(application, shape, pretrained=pretrained)
    except Exception as error:  # Keras raises a bare Exception when a download fails
        if not pretrained:
            raise ConfigError(f"cannot build {name}: {error}") from error
        raise ConfigError(fetching.advice(name, error)) from error


def _built(application: Application, shape: tuple[int, ...], *, pretrained: bool) -> Any:
    drawn = redirect_stdout(steering(sys.stdout))  # Keras has a bar for what it fetches
    with fetching.patiently(), drawn, warnings.catch_warnings():
        # MobileNet says that weights made at 224 pixels serve other sizes: they do.
        warnings.filterwarnings("ignore", message=".*`input_shape` is undefined or non-square")
        return application(
            include_top=False,
            weights="imagenet" if pretrained else None,
            input_shape=shape,
            pooling="avg",
        )
