"""What a body is, and how an image is made to fit one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import keras
import msgspec

from pushfit.errors import ConfigError
from pushfit.settings import models

STEM_LEAST = 64  # pixels; below it their stems keep the resolution

log = logging.getLogger("pushfit.trainer")


class Body(msgspec.Struct, frozen=True):
    """features: (image (N, P, P, channels) of 0 to 255, weights) → (N, F), where weights are
        "imagenet", "none", or "auto": ImageNet's if they are there or quickly fetched.

    head: of its own, features → features, in place of the one that is set by flags.
    """

    name: str
    features: Callable[[Any, str], Any]
    head: Callable[[Any], Any] | None = None

    @property
    def known(self) -> models.Model:
        """What is known of it without Keras; of a preset of keras-hub only that it wants RGB."""
        return models.MODELS.get(self.name) or models.Model(self.name, 0, least=1)


def fitted(image: Any, body: Body) -> Any:
    """The image as `body` wants it, by the rule that `zoo` states. Raises ConfigError."""
    side, channels, known = image.shape[1], image.shape[3], body.known
    if known.imagenet and channels not in (1, 3):
        raise ConfigError(f"{body.name} needs grey or RGB patches, not {channels} channels")
    factor = -(-known.least // side)
    if factor > 1:
        log.info("%s sees the patches of %d pixels as %d", body.name, side, factor * side)
        larger = keras.layers.UpSampling2D(factor, interpolation="bilinear", dtype="float32")
        image = larger(keras.ops.cast(image, "float32"))
    return keras.ops.repeat(image, 3, axis=-1) if known.imagenet and channels == 1 else image


def scaled(image: Any) -> Any:
    """0 to 255 as about -1 to 1; float32 whatever the precision."""
    return keras.layers.Rescaling(1 / 128, offset=-1.0, dtype="float32")(image)
