"""`--model hub:PRESET`: a body of keras-hub with its weights, and the pixels as it wants them.

PRESET is what keras-hub takes: the name of a preset, a kaggle:// or hf:// address, or a folder that
`save_to_preset` wrote. keras-hub is not among what PushFit installs.
"""

from __future__ import annotations

import logging
import re
from functools import partial
from typing import Any

import keras

from pushfit.errors import ConfigError
from pushfit.settings.code import HUB
from pushfit.training.zoo.body import Body

log = logging.getLogger("pushfit.trainer")


def body(model: str) -> Body:
    """The body for `model`, which is ``"hub:PRESET"``."""
    preset = model.removeprefix(HUB)
    return Body(re.sub(r"\W+", "_", model), partial(_features, preset))


def _features(preset: str, image: Any, weights: str) -> Any:
    """(N, F): the body's features of `image` (N, H, W, 3), averaged over their places.

    weights: "none" for random ones, else those of the preset. Raises ConfigError.
    """
    hub = _keras_hub(preset)
    x = _scaled(hub, preset, image)
    try:
        made = hub.models.Backbone.from_preset(preset, load_weights=weights != "none")
        found = made(_sized(made, x))
    except Exception as error:  # what it does not know, fetch or fit: each has an error of its own
        said = " ".join(str(error).split())[:600]
        raise ConfigError(
            f"--model hub:{preset} cannot be made: keras-hub says {type(error).__name__}: {said}"
        ) from error
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


def _sized(made: Any, x: Any) -> Any:
    """`x` enlarged or reduced to the size of a body that is made for one alone."""
    side = tuple(keras.tree.flatten(made.input)[0].shape[1:3])
    if None in side or side == tuple(x.shape[1:3]):
        return x
    log.info("Model     it sees the images as %d x %d", *side)
    return keras.layers.Resizing(*side, dtype="float32")(x)


def _scaled(hub: Any, preset: str, image: Any) -> Any:
    """Pixels of 0 to 255 as the preset's own converter gives them, in float32."""
    x = keras.ops.cast(image, "float32")
    try:
        wanted = hub.layers.ImageConverter.from_preset(preset).get_config()
    except Exception as error:  # a folder without one, or no such preset: the body tells that
        log.info("Model     hub:%s has no scale of pixels (%s): they stay 0 to 255", preset, error)
        return x
    scale, offset = wanted.get("scale"), wanted.get("offset")
    if scale is None and offset is None:
        return x
    return keras.layers.Rescaling(
        1.0 if scale is None else scale, 0.0 if offset is None else offset, dtype="float32"
    )(x)
