"""TensorFlow's MultiWorkerMirroredStrategy: a process for each rank, with a loop of its own.

pushfit samples digits --out data/digits
python examples/ranks/tensorflow_loop.py data/digits model.npz localhost:12100,localhost:12101 0 &
python examples/ranks/tensorflow_loop.py data/digits model.npz localhost:12100,localhost:12101 1 &
pushfit generate --connect tcp://127.0.0.1:12001,tcp://127.0.0.1:12003 --links data/digits
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

import pushfit

links, file, workers, rank = sys.argv[1], Path(sys.argv[2]), sys.argv[3].split(","), sys.argv[4]
task = {"type": "worker", "index": int(rank)}
os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})
strategy = tf.distribute.MultiWorkerMirroredStrategy()
saved = dict(np.load(file)) if file.exists() else {}
with strategy.scope():
    weight = tf.Variable(saved.get("weight", np.zeros((784, 10), np.float32)))
    bias = tf.Variable(saved.get("bias", np.zeros(10, np.float32)))


def one(batch):
    with tf.GradientTape() as tape:
        logits = tf.reshape(tf.cast(batch["image"], tf.float32) / 255, (-1, 784)) @ weight + bias
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(batch["label"], logits)
        loss = tf.reduce_mean(each) / len(workers)
    gradients = tape.gradient(loss, (weight, bias))
    for variable, gradient in zip((weight, bias), gradients, strict=True):
        variable.assign_sub(0.1 * tf.distribute.get_replica_context().all_reduce("SUM", gradient))
    return loss


@tf.function
def step(batch):
    return strategy.reduce("SUM", strategy.run(one, args=(batch,)), axis=None)


state = json.loads(str(saved["state"])) if saved else None
options = {"links": links, "batch_size": 64, "epochs": 3, "shards": 4, "splits": ("train",)}
ranks = {"world": len(workers), "rank": int(rank)}
with pushfit.stream("digits", **options, **ranks, state=state) as stream:
    print(f"rank {rank} listens at {stream.address}", flush=True)
    mine = strategy.distribute_datasets_from_function(lambda context: stream.tf("train"))
    for epoch in range(stream.epoch, stream.epochs):
        losses = [step(batch) for batch in mine]
        if rank == "0":
            kept = {"weight": weight.numpy(), "bias": bias.numpy()}
            new = file.with_suffix(".new.npz")
            np.savez(new, **kept, state=json.dumps(stream.state_dict()))
            new.replace(file)
            print(f"epoch {epoch + 1}: loss {np.mean(losses):.9f}")
