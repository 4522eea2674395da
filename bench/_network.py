"""A small convolutional network, by the names that `train_zmq.py --weights FILE` wants to find."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def smallcnn(
    patch: int, layers: Iterable[tuple[int, int]], classes: int, *, corner: int | None = None
) -> Any:
    """A compiled model of (patch, patch, 3) uint8 pictures.

    layers: (filters, stride) of each convolution. corner: the pixels a side that it looks at;
    None: all.
    """
    import keras

    image = keras.Input((patch, patch, 3), dtype="uint8", name="image")
    seen = image if corner is None else image[:, :corner, :corner]
    x = keras.layers.Rescaling(1 / 128, offset=-1.0)(seen)
    for filters, stride in layers:
        x = keras.layers.Conv2D(filters, 3, stride, "same", activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    made = keras.Model(
        image, keras.layers.Dense(classes, "softmax", name="class")(x), name="smallcnn"
    )
    made.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made
