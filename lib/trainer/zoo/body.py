"""What a body is, and how an image is made to fit one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import keras
import msgspec

from lib.errors import ConfigError

LEAST = 8  # pixels of a side that bodies of our own want: they halve it up to three times
STEM_LEAST = 64  # pixels; below it their stems keep the resolution

log = logging.getLogger("pushfit.trainer")


class Body(msgspec.Struct, frozen=True):
    """least: pixels of a side; what is smaller gets enlarged. imagenet: wants RGB, has weights.

    features: (image (N, P, P, channels) of 0 to 255, "imagenet" or "none") → (N, F).
    head: of its own, features → features, in place of the one that is set by flags.
    """

    name: str
    least: int
    imagenet: bool
    features: Callable[[Any, str], Any]
    head: Callable[[Any], Any] | None = None


def fitted(image: Any, body: Body) -> Any:
    """The image as `body` wants it, by the rule that `zoo` states. Raises ConfigError."""
    side, channels = image.shape[1], image.shape[3]
    if body.imagenet and channels not in (1, 3):
        raise ConfigError(f"{body.name} needs grey or RGB patches, not {channels} channels")
    factor = -(-body.least // side)
    if factor > 1:
        log.info("%s sees the patches of %d pixels as %d", body.name, side, factor * side)
        larger = keras.layers.UpSampling2D(factor, interpolation="bilinear", dtype="float32")
        image = larger(keras.ops.cast(image, "float32"))
    return keras.ops.repeat(image, 3, axis=-1) if body.imagenet and channels == 1 else image


def scaled(image: Any) -> Any:
    """0 to 255 as about -1 to 1; float32 whatever the precision."""
    return keras.layers.Rescaling(1 / 128, offset=-1.0, dtype="float32")(image)
