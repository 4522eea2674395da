"""ResNet-18 and -34: He et al., Deep Residual Learning for Image Recognition, arXiv:1512.03385.

Blocks of two 3 × 3 convolutions; where the resolution halves or the channels change, the shortcut
is a 1 × 1 convolution (the paper's option B). Below STEM_LEAST pixels the first convolution is
3 × 3 of stride 1 with no pooling after it, as the paper's own networks for 32-px images begin.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import keras

from pushfit.training.zoo.body import STEM_LEAST, Body, scaled

DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}


def _features(image: Any, weights: str, *, blocks: tuple[int, ...]) -> Any:
    x = scaled(image)
    if image.shape[1] < STEM_LEAST:
        x = _convolved(x, 64, 3)
        x = keras.layers.ReLU()(x)
    else:
        x = _convolved(x, 64, 7, 2)
        x = keras.layers.ReLU()(x)
        x = keras.layers.MaxPooling2D(3, 2, padding="same")(x)
    for stage, count in enumerate(blocks):
        for number in range(count):
            x = _block(x, 64 * 2**stage, 2 if stage and not number else 1)
    return keras.layers.GlobalAveragePooling2D()(x)


def _block(x: Any, filters: int, stride: int) -> Any:
    short = x
    if stride > 1 or x.shape[-1] != filters:
        short = _convolved(x, filters, 1, stride)
    x = keras.layers.ReLU()(_convolved(x, filters, 3, stride))
    x = _convolved(x, filters, 3)
    return keras.layers.ReLU()(keras.layers.Add()([x, short]))


def _convolved(x: Any, filters: int, size: int, stride: int = 1) -> Any:
    x = keras.layers.Conv2D(
        filters, size, stride, "same", use_bias=False, kernel_initializer="he_normal"
    )(x)
    return keras.layers.BatchNormalization(momentum=0.9)(x)


BODIES = tuple(Body(name, partial(_features, blocks=blocks)) for name, blocks in DEPTHS.items())
