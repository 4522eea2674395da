"""Patches delivered to one consumer by the loaders, each as documented and tuned, and by us.

    ours              N generators and their trainer's side: leases, exact order, mixed batches
    torch_documented  DataLoader over a map-style dataset: Pillow, a photo a patch, batches of 32
    torch_tuned       DataLoader whose workers run our decoder and transforms, K patches a photo
    keras_documented  keras.utils.PyDataset: Pillow, a photo a patch, worker processes
    keras_tuned       PyDataset whose workers run our decoder and transforms, K patches a photo
    tf_documented     tf.data: native ops, a photo a patch, parallel map
    tf_tuned          tf.data: one decoding for K patches (decode_and_crop_jpeg at K = 1), any order

Each is a process of its own, pinned with its workers to WORKERS cores. Its consumer takes arrays
and does nothing with them; the clock starts when it has warmed up, so that queues are as full at
the start as at the end.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench._turns import Figures, told
from pushfit.tasks.base import TRAIN, Record
from pushfit.tasks.camera.params import CameraParams
from pushfit.tasks.camera.task import CameraTask

WORKERS = 2
BATCH = 32
EPOCHS, EPOCH = 1000, 4000  # photos: of the size of real data sets, however few files there are
WARM_SECONDS = 4.0
PATIENCE = 60.0  # seconds for the start and end of a measurement

Batches = Iterable[Any]  # arrays or tensors, patches first


class Photos:
    """The photos behind `links`, read and cut by our own task's functions."""

    def __init__(self, links: Path, px: int, k: int) -> None:
        self.links, self.px, self.k = links, px, k
        self.task = CameraTask(CameraParams(patch=px))
        self.records: list[Record] = list(self.task.scan(links).splits[TRAIN])

    def paths(self) -> list[str]:
        return [str(self.links / record.path) for record in self.records]

    def visit(self, number: int, seed: int) -> np.ndarray:
        """(k, px, px, 3) uint8: what a maker draws from a record."""
        record = self.records[number % len(self.records)]

        def rngs() -> Iterator[np.random.Generator]:
            for patch in range(self.k):
                yield np.random.Generator(np.random.Philox(key=(seed, patch)))

        item = self.task.decode_for(self.task.read(self.links, record), record, TRAIN, rngs())
        made = np.empty((self.k, self.px, self.px, 3), np.uint8)
        for patch, rng in enumerate(rngs()):
            made[patch] = self.task.sample(item, record, TRAIN, patch, rng)["image"]
        return made


def ours(links: Path, px: int, k: int) -> Batches:
    from pushfit.settings.programs.sink import SinkSettings
    from pushfit.streams.live import LiveStream
    from pushfit.streams.purpose import for_sink, task_of

    settings = SinkSettings(
        null=True,
        links=str(links),
        epochs=EPOCHS,
        patches_per_epoch=k * EPOCH,
        generators=WORKERS,
        patches_per_visit=k,
        batch_size=BATCH,
        hash=False,  # as in training: no rival hashes its stream
        bind="tcp://127.0.0.1:0",
    )
    task = task_of(settings, CameraParams(patch=px))
    with LiveStream(settings, task, for_sink(settings, task, needs_data=True)) as stream:
        for batch in stream.feed.all():
            yield batch.arrays["image"]


def torch_documented(links: Path, px: int, k: int) -> Batches:
    from torch.utils.data import DataLoader

    from bench._torch import OnePatch

    return _endless(
        DataLoader(
            OnePatch(Photos(links, px, k), EPOCH),
            batch_size=BATCH,
            shuffle=True,
            num_workers=WORKERS,
        )
    )


def torch_tuned(links: Path, px: int, k: int) -> Batches:
    from torch.utils.data import DataLoader

    from bench._torch import ManyPatches

    photos = Photos(links, px, k)
    return _endless(
        DataLoader(
            ManyPatches(photos, EPOCH),
            batch_size=None if k > 1 else BATCH,  # a visit's patches as they are
            shuffle=True,
            num_workers=WORKERS,
            prefetch_factor=4,
            persistent_workers=True,
        )
    )


def keras_documented(links: Path, px: int, k: int) -> Batches:
    from bench._keras import OnePatch, batches

    return batches(OnePatch(Photos(links, px, k), EPOCH, BATCH, WORKERS))


def keras_tuned(links: Path, px: int, k: int) -> Batches:
    from bench._keras import ManyPatches, batches

    return batches(ManyPatches(Photos(links, px, k), EPOCH, BATCH, WORKERS))


def tf_documented(links: Path, px: int, k: int) -> Batches:
    import tensorflow as tf

    from bench._patches import Graph

    paths = Photos(links, px, k).paths()
    files = tf.data.Dataset.from_tensor_slices(paths).shuffle(len(paths)).repeat()
    patches = files.map(Graph(px).one, num_parallel_calls=tf.data.AUTOTUNE)
    return patches.batch(BATCH).prefetch(tf.data.AUTOTUNE).as_numpy_iterator()


def tf_tuned(links: Path, px: int, k: int) -> Batches:
    import tensorflow as tf

    from bench._patches import Graph

    graph, paths = Graph(px, tuned=True), Photos(links, px, k).paths()
    options = tf.data.Options()
    options.deterministic = False
    options.experimental_slack = False
    files = tf.data.Dataset.from_tensor_slices(paths).shuffle(len(paths)).repeat()
    if k == 1:
        made = files.map(graph.one, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH)
    else:  # a visit's patches as they are
        made = files.map(lambda path: graph.many(path, k), num_parallel_calls=tf.data.AUTOTUNE)
    return made.prefetch(tf.data.AUTOTUNE).with_options(options).as_numpy_iterator()


SIDES: dict[str, Callable[[Path, int, int], Batches]] = {
    side.__name__: side
    for side in (
        ours,
        torch_documented,
        torch_tuned,
        keras_documented,
        keras_tuned,
        tf_documented,
        tf_tuned,
    )
}


def _endless(loader: Batches) -> Batches:
    while True:
        yield from loader


def speed(side: str, *about: object) -> Figures:
    """One measurement. about: as for `measure`, and in a process of its own."""
    env = {
        "OMP_NUM_THREADS": "1",  # workers are the parallelism
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "",
    }
    *_, seconds, warm = map(str, about)
    return told("_loaders", side, *about, seconds=float(seconds) + float(warm) + PATIENCE, env=env)


def measure(side: str, links: Path, px: int, k: int, seconds: float, warm: float) -> Figures:
    """Patches a second that reach the consumer."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:WORKERS])
    source = iter(SIDES[side](links, px, k))
    next(source)
    warm_until = time.perf_counter() + warm
    while time.perf_counter() < warm_until:
        next(source)
    started, made = time.perf_counter(), 0
    while (spent := time.perf_counter() - started) < seconds or not made:
        batch = next(source)
        assert batch.shape[1:] == (px, px, 3), batch.shape
        made += len(batch)
    if hasattr(source, "close"):
        source.close()
    return {"patches_per_s": made / spent}


if __name__ == "__main__":
    name, folder, *numbers = sys.argv[1:]
    px, k = (int(number) for number in numbers[:2])
    rate = measure(name, Path(folder), px, k, *(float(number) for number in numbers[2:]))
    print(json.dumps(rate), flush=True)
    os._exit(0)  # whatever threads a loader has left
