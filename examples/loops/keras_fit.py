"""Keras on any back end (KERAS_BACKEND=tensorflow, jax or torch), saved and resumed exactly.

pushfit samples digits --out data/digits
python examples/loops/keras_fit.py data/digits model.keras
"""

import sys
from pathlib import Path

import keras

import pushfit

links, file = sys.argv[1], Path(sys.argv[2])
state = file if file.exists() else None
options = {"links": links, "batch_size": 64, "epochs": 3, "generators": 2, "state": state}
with pushfit.stream("digits", **options) as stream:
    if state:
        model = keras.models.load_model(file)
    else:
        keras.utils.set_random_seed(0)
        layers = [
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.2),
        ]
        model = keras.Sequential([*layers, keras.layers.Dense(len(stream.classes), "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    saved = pushfit.Checkpoint(stream, file, every=10)
    for epoch in range(stream.epoch, stream.epochs):
        model.fit(stream.keras("train"), validation_data=stream.keras("val"), callbacks=[saved],
                  initial_epoch=epoch, epochs=epoch + 1)  # fmt: skip
