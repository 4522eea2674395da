"""The batches in a plain loop: the mean of each class, with numpy alone.

pushfit samples digits --out data/digits
python examples/loops/numpy_loop.py data/digits
"""

import sys

import numpy as np

import pushfit

with pushfit.stream("digits", links=sys.argv[1], batch_size=64, epochs=2, generators=2) as stream:
    sums = np.zeros((len(stream.classes), 28, 28))
    for epoch in stream:
        for batch in epoch["train"]:
            np.add.at(sums, batch["label"], batch["image"][..., 0])
        right = seen = 0
        for batch in epoch["val"]:
            means = (sums / sums.sum(axis=(1, 2), keepdims=True)).reshape(len(sums), -1)
            images = batch["image"].reshape(len(batch["image"]), -1)
            right += (np.argmax(images @ means.T, axis=1) == batch["label"]).sum()
            seen += len(images)
        print(f"epoch {epoch.number + 1}: {right / seen:.1%} of {seen} validation samples")
    print(stream.report()["splits"]["train"])
