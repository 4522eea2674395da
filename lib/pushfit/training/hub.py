"""`--model hub:PRESET`: a body of keras-hub with its weights, and the pixels as it wants them.

PRESET is what keras-hub takes: the name of a preset, a kaggle:// or hf:// address, or a folder that
`save_to_preset` wrote. keras-hub is not among what PushFit installs.
"""

from __future__ import annotations

import logging
from typing import Any

import keras

from pushfit.errors import ConfigError

log = logging.getLogger("pushfit.trainer")


def features(preset: str, image: Any, *, weights: bool) -> Any:
    """(B, F): the body's features of `image` (B, H, W, 3), pixels of 0 to 255, averaged over place.

    weights: load those of the preset. Raises ConfigError.
    """
    if image.shape[-1] != 3:
        raise ConfigError(
            f"--model hub:{preset} needs images of 3 channels, and the task's have "
            f"{image.shape[-1]}: choose a model of --list-models"
        )
    hub = _keras_hub(preset)
    x = _as_wanted(hub, preset, image)
    try:
        body = hub.models.Backbone.from_preset(
            preset, load_weights=weights, **_shape(hub, preset, x)
        )
        found = body(x)
    except Exception as error:  # what it does not know, fetch or fit: each has an error of its own
        raise _failed(preset, error) from error
    if isinstance(found, dict):
        raise ConfigError(
            f"--model hub:{preset} gives several outputs ({', '.join(found)}), so it is not a "
            "body for pictures: choose another preset"
        )
    axes = tuple(range(1, len(found.shape) - 1))
    return keras.ops.mean(found, axis=axes) if axes else found


def _keras_hub(preset: str) -> Any:
    try:
        import keras_hub
    except ImportError as error:
        raise ConfigError(
            f"--model hub:{preset} needs keras-hub, which cannot be imported here ({error}): pip "
            "install keras-hub"
        ) from error
    return keras_hub


def _as_wanted(hub: Any, preset: str, image: Any) -> Any:
    """`image` scaled as the preset's own converter does; its size stays."""
    x = keras.ops.cast(image, "float32")
    try:
        wanted = hub.layers.ImageConverter.from_preset(preset).get_config()
    except Exception as error:  # a folder without one, or no such preset: the body tells that
        log.info("Model     hub:%s names no scale of pixels (%s): they stay 0 to 255", preset, error)
        return x
    scale, offset = wanted.get("scale"), wanted.get("offset")
    if scale is None and offset is None:
        return x
    return keras.layers.Rescaling(
        1.0 if scale is None else scale, 0.0 if offset is None else offset, dtype="float32"
    )(x)


def _shape(hub: Any, preset: str, x: Any) -> dict[str, Any]:
    """The size of images, for a body that is made for one size alone."""
    return {}


def _failed(preset: str, error: Exception) -> ConfigError:
    said = " ".join(str(error).split())[:600]
    return ConfigError(
        f"--model hub:{preset} cannot be made: keras-hub says {type(error).__name__}: {said}"
    )
