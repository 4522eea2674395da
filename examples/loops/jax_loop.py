"""JAX: two batches are on their way to the device while one is trained on.

pushfit samples digits --out data/digits
python examples/loops/jax_loop.py data/digits
"""

import sys

import jax
import jax.numpy as jnp

import pushfit


@jax.jit
def step(weights, image, label):
    def loss(weights):
        logits = (image.reshape(len(image), -1) / 255) @ weights
        return -jax.nn.log_softmax(logits)[jnp.arange(len(label)), label].mean()

    value, gradient = jax.value_and_grad(loss)(weights)
    return weights - 0.5 * gradient, value


with pushfit.stream("digits", links=sys.argv[1], batch_size=64, epochs=2, generators=2) as stream:
    weights = jnp.zeros((784, len(stream.classes)))
    for epoch in range(stream.epoch, stream.epochs):
        for batch in stream.jax("train"):
            weights, value = step(weights, batch["image"], batch["label"])
        print(f"epoch {epoch + 1}: loss {value:.3f}")
