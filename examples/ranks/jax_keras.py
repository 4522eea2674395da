"""Keras on JAX: a process for each rank, which reads its part of every batch. Rank 0 saves.

pushfit samples digits --out data/digits
export KERAS_BACKEND=jax
python examples/ranks/jax_keras.py data/digits model.keras localhost:12100 2 0 &
python examples/ranks/jax_keras.py data/digits model.keras localhost:12100 2 1 &
pushfit generate --connect tcp://127.0.0.1:12001,tcp://127.0.0.1:12003 --links data/digits
"""

import sys
from pathlib import Path

import jax
import keras

import pushfit

links, file, coordinator, world, rank = sys.argv[1:]
jax.distributed.initialize(coordinator, int(world), int(rank))
# The stream is dealt out already.
keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
keras.utils.set_random_seed(0)  # every process makes the same weights
state = file if Path(file).exists() else None
options = {"links": links, "batch_size": 64, "epochs": 3, "shards": 4, "state": state}
with pushfit.stream("digits", **options) as stream:
    print(f"rank {rank} listens at {stream.address}", flush=True)
    if state:
        model = keras.models.load_model(file)
    else:
        layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(10)]
        model = keras.Sequential([keras.Input((28, 28, 1)), *layers])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss)
    saved = pushfit.Checkpoint(stream, file)
    for epoch in range(stream.epoch, stream.epochs):
        fit = {"callbacks": [saved], "initial_epoch": epoch, "epochs": epoch + 1, "verbose": 0}
        logs = model.fit(stream.keras(), validation_data=stream.keras("val"), **fit).history
        if rank == "0":
            print(f"epoch {epoch + 1}: loss {logs['loss'][0]:.9f}, {logs['val_loss'][0]:.9f}")
