"""MNASNet-B1 with a depth multiplier: Tan et al., arXiv:1807.11626, as torchvision builds it.

Inverted residuals: a 1 × 1 convolution widens, a depthwise one looks, another 1 × 1 narrows, and
the input is added where the shape stays. The multiplier scales all channels but the 1,280 last.
Below STEM_LEAST pixels the first convolution has stride 1. Batch normalisation has the momentum of
our other models: the published 0.9997 needs many thousand steps until its averages mean something.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import keras

from pushfit.training.zoo.body import STEM_LEAST, Body, scaled

STEM, FIRST, LAST = 32, 16, 1280  # filters of what stands around the stages
# Of each stage: filters, kernel size, stride of its first block, widening, blocks.
STAGES = (
    (24, 3, 2, 3, 3),
    (40, 5, 2, 3, 3),
    (80, 5, 2, 6, 3),
    (96, 3, 1, 6, 2),
    (192, 5, 2, 6, 4),
    (320, 3, 1, 6, 1),
)
MULTIPLIERS = {"mnasnet0.5": 0.5, "mnasnet1.0": 1.0}


def _features(image: Any, weights: str, *, multiplier: float) -> Any:
    small = image.shape[1] < STEM_LEAST
    x = scaled(image)
    x = _activated(_convolved(x, _filters(STEM, multiplier), 3, 1 if small else 2))
    x = _activated(_depthwise(x, 3, 1))
    x = _normalised(_convolved(x, _filters(FIRST, multiplier), 1))
    for filters, size, stride, widening, blocks in STAGES:
        for number in range(blocks):
            step = 1 if number else stride
            x = _block(x, _filters(filters, multiplier), size, step, widening)
    return keras.layers.GlobalAveragePooling2D()(_activated(_convolved(x, LAST, 1)))


def _block(x: Any, filters: int, size: int, stride: int, widening: int) -> Any:
    before = x
    x = _activated(_convolved(x, widening * x.shape[-1], 1))
    x = _activated(_depthwise(x, size, stride))
    x = _normalised(_convolved(x, filters, 1))
    same = stride == 1 and before.shape[-1] == filters
    return keras.layers.Add()([x, before]) if same else x


def _convolved(x: Any, filters: int, size: int, stride: int = 1) -> Any:
    return keras.layers.Conv2D(
        filters, size, stride, "same", use_bias=False, kernel_initializer="he_normal"
    )(x)


def _depthwise(x: Any, size: int, stride: int) -> Any:
    return keras.layers.DepthwiseConv2D(
        size, stride, "same", use_bias=False, depthwise_initializer="he_normal"
    )(x)


def _normalised(x: Any) -> Any:
    return keras.layers.BatchNormalization(momentum=0.9)(x)


def _activated(x: Any) -> Any:
    return keras.layers.ReLU()(_normalised(x))


def _filters(filters: int, multiplier: float) -> int:
    """`filters` scaled, to a multiple of 8 that is no less than nine tenths of that."""
    exact = filters * multiplier
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * exact else rounded + 8


BODIES = tuple(
    Body(name, partial(_features, multiplier=multiplier))
    for name, multiplier in MULTIPLIERS.items()
)
