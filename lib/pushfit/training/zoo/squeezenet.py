"""SqueezeNet 1.0 and 1.1: Iandola et al., arXiv:1602.07360; 1.1 is in the authors' code.

Fire modules (1 × 1 squeeze, then 1 × 1 and 3 × 3 side by side) up to the ninth; our head stands in
for the last convolution. Below STEM_LEAST pixels the first one is 3 × 3 of stride 1 with no pooling
after it. Added to the papers': a batch normalisation in each convolution, whose shift is the bias
and which has no scale, so that there are as many parameters as before. Without it 100 steps of Adam
on MNIST left it where it had started.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import keras

from pushfit.training.zoo.body import STEM_LEAST, Body, scaled

SQUEEZED = {2: 16, 3: 16, 4: 32, 5: 32, 6: 48, 7: 48, 8: 64, 9: 64}  # by number of the module
# Filters and size of the first convolution; the modules that pooling comes before.
VERSIONS = {
    "squeezenet1.0": (96, 7, (2, 5, 9)),
    "squeezenet1.1": (64, 3, (2, 4, 6)),
}


def _features(image: Any, weights: str, *, stem: int, size: int, pooled: tuple[int, ...]) -> Any:
    small = image.shape[1] < STEM_LEAST
    x = scaled(image)
    x = _convolved(x, stem, 3) if small else _convolved(x, stem, size, 2)
    for number, squeezed in SQUEEZED.items():
        if number in pooled[small:]:
            x = keras.layers.MaxPooling2D(3, 2, padding="same")(x)
        x = _convolved(x, squeezed, 1)
        wide = [_convolved(x, 4 * squeezed, size) for size in (1, 3)]
        x = keras.layers.Concatenate()(wide)
    return keras.layers.GlobalAveragePooling2D()(x)


def _convolved(x: Any, filters: int, size: int, stride: int = 1) -> Any:
    x = keras.layers.Conv2D(
        filters, size, stride, "same", use_bias=False, kernel_initializer="he_normal"
    )(x)
    x = keras.layers.BatchNormalization(momentum=0.9, scale=False)(x)
    return keras.layers.ReLU()(x)


BODIES = tuple(
    Body(name, partial(_features, stem=stem, size=size, pooled=pooled))
    for name, (stem, size, pooled) in VERSIONS.items()
)
