"""The image models of `keras.applications`: which there are, what each wants, and its weights.

All of that is found by asking Keras, not kept in a table here.
"""

from __future__ import annotations

import inspect
import os
import re
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lib.errors import ConfigError
from lib.trainer.zoo.body import Body

FETCH_TIMEOUT = 30.0  # seconds without a single byte before a fetch of weights is given up

Application = Callable[..., Any]


def members() -> dict[str, Application]:
    """{lower-case name: the function that makes it}."""
    return {
        name.lower(): member
        for name, member in inspect.getmembers(keras.applications, callable)
        if "include_top" in inspect.signature(member).parameters
    }


def body(name: str, application: Application) -> Body:
    return Body(name, least(application), True, partial(_features, name, application))


def least(application: Application) -> int:
    """The smallest side in pixels that it takes: what it says where it is asked for less."""
    try:
        application(include_top=False, weights=None, input_shape=(1, 1, 3), pooling="avg")
    except ValueError as error:
        if found := re.search(r"at least (\d+)x\1", str(error)):
            return int(found[1])
        raise
    return 1


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
