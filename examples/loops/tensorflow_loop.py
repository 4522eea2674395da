"""A `tf.data.Dataset` in a training loop of one's own.

pushfit samples digits --out data/digits
python examples/loops/tensorflow_loop.py data/digits
"""

import sys

import tensorflow as tf

import pushfit

with pushfit.stream("digits", links=sys.argv[1], batch_size=64, epochs=2, generators=2) as stream:
    weights = tf.Variable(tf.zeros((784, len(stream.classes))))
    for epoch in range(stream.epoch, stream.epochs):
        for batch in stream.tf("train"):
            with tf.GradientTape() as tape:
                images = tf.reshape(tf.cast(batch["image"], tf.float32) / 255, (-1, 784))
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                    batch["label"], images @ weights
                )
                loss = tf.reduce_mean(losses)
            weights.assign_sub(0.5 * tape.gradient(loss, weights))
        print(f"epoch {epoch + 1}: loss {float(loss):.3f}")
