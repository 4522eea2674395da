"""One side of `bench job`, in a process of its own: prints a line of JSON.

    python -m bench._job_sides SIDE WORK-AS-JSON BEGAN fit|check

fit: train one epoch, and say when batches ended and what CPU was used by when. check: no training;
a number that depends on every sample, in whatever order they come.

A side is a function of `Work` that gives what to hand to `fit` as x. `_documented` follows the
library's own documentation: a photo for each sample. `_tuned` is as its best advocate would have
it: PushFit's decoder, transforms and K patches of each photo where it can run Python, and none of
PushFit's mixing, so that batches are whole visits and nothing is copied twice.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench._job_work import BATCH, SEED, Work, model, watch
from bench._patches import Graph, pillow_patch

WORKERS = 2
BUFFER = 128  # MiB: little more than mixing needs, so what start-up made is soon used up
MARKS = 3  # the steady part begins after one in so many batches


# -- tf.data ---------------------------------------------------------------------------------


def _graph(work: Work) -> Any:
    """The documented way: paths, a map of operations, batches."""
    import tensorflow as tf

    one = Graph(work.patch).one
    paths, labels = map(list, zip(*work.photos, strict=True))
    photos = tf.data.Dataset.from_tensor_slices((paths, np.array(labels, np.int32)))
    return photos.map(
        lambda path, label: (one(path), label), num_parallel_calls=tf.data.AUTOTUNE
    ).batch(BATCH, drop_remainder=True)


def _graph_visits(work: Work) -> Any:
    """The same operations, K patches from each photo, without Python: any process can run it."""
    import tensorflow as tf

    many = Graph(work.patch).many
    records = [(f"{work.links}/{record.path}", record.label) for record in work.visited]
    paths, labels = map(list, zip(*records, strict=True))

    def visit(path: Any, label: Any) -> Any:
        return many(path, work.patches), tf.fill((work.patches,), label)

    photos = tf.data.Dataset.from_tensor_slices((paths, np.array(labels, np.int32)))
    return photos.map(visit, num_parallel_calls=tf.data.AUTOTUNE).rebatch(BATCH)


def _python_visits(work: Work) -> Any:
    """Our code in the threads of a map: decoders and Pillow let go of the interpreter lock."""
    import tensorflow as tf

    def batch(number: Any) -> Any:
        images, labels = tf.numpy_function(
            lambda n: work.visits_batch(int(n)), [number], (tf.uint8, tf.int32)
        )
        shape = BATCH, work.patch, work.patch, 3
        return tf.ensure_shape(images, shape), tf.ensure_shape(labels, (BATCH,))

    numbers = tf.data.Dataset.range(work.samples // BATCH)
    return numbers.map(batch, num_parallel_calls=WORKERS)


def tfdata_documented(work: Work, stack: ExitStack) -> Any:
    return _prefetched(_graph(work))


def tfdata_tuned(work: Work, stack: ExitStack) -> Any:
    return _prefetched(_python_visits(work))


def tfdata_native(work: Work, stack: ExitStack) -> Any:
    return _prefetched(_graph_visits(work))


def _prefetched(dataset: Any) -> Any:
    import tensorflow as tf

    return dataset.prefetch(tf.data.AUTOTUNE)


def _service(dataset: Any, stack: ExitStack, **options: Any) -> Any:
    """`dataset` made by a dispatcher and WORKERS workers, each a process of its own."""
    import subprocess

    import tensorflow as tf

    command = [sys.executable, "-m", "bench._job_service", str(WORKERS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    stack.callback(process.wait)
    stack.callback(process.kill)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    service = tf.data.experimental.service
    policy = service.ShardingPolicy.DYNAMIC  # each photo once, to whoever is free
    return dataset.apply(service.distribute(policy, address, **options))


def service_documented(work: Work, stack: ExitStack) -> Any:
    return _prefetched(_service(_graph(work), stack))


def service_tuned(work: Work, stack: ExitStack) -> Any:
    return _prefetched(_service(_graph_visits(work), stack, compression=None))


def _pillow(path: str, px: int) -> np.ndarray:
    """(px, px, 3) uint8: one patch of a photo, drawn and made by Pillow."""
    return np.array(pillow_patch(Path(path), px, np.random.default_rng()))


# -- PyTorch ------------------------------------------------------------------------------------


def _loader(work: Work, dataset: Any, **options: Any) -> Any:
    from torch.utils.data import DataLoader

    return DataLoader(dataset, num_workers=WORKERS, **options)


class _Photos:
    """A map-style dataset: a photo, a sample."""

    def __init__(self, work: Work) -> None:
        self.work, self.photos = work, work.photos

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        import torch

        path, label = self.photos[index]
        return torch.from_numpy(_pillow(path, self.work.patch)), label


class _Batches:
    """A map-style dataset of whole batches, made by our code."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def __len__(self) -> int:
        return self.work.samples // BATCH

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        import torch

        images, labels = self.work.visits_batch(index)
        return torch.from_numpy(images), torch.from_numpy(labels)


def torch_documented(work: Work, stack: ExitStack) -> Any:
    return _loader(work, _Photos(work), batch_size=BATCH, shuffle=True)


def torch_tuned(work: Work, stack: ExitStack) -> Any:
    return _loader(work, _Batches(work), batch_size=None, prefetch_factor=4)


# -- Keras --------------------------------------------------------------------------------------


def _py_dataset(work: Work, make: Callable[[int], Any]) -> Any:
    from bench._job_keras import Sequence

    return Sequence(work.samples // BATCH, make, workers=WORKERS, use_multiprocessing=True)


class _PhotoBatch:
    def __init__(self, work: Work) -> None:
        self.work, self.photos = work, work.photos

    def __call__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.photos[index * BATCH : (index + 1) * BATCH]
        images = np.stack([_pillow(path, self.work.patch) for path, _ in rows])
        return images, np.array([label for _, label in rows], np.int32)


def pydataset_documented(work: Work, stack: ExitStack) -> Any:
    return _py_dataset(work, _PhotoBatch(work))


def pydataset_tuned(work: Work, stack: ExitStack) -> Any:
    return _py_dataset(work, work.visits_batch)


# -- Ray ----------------------------------------------------------------------------------------


def _ray(stack: ExitStack) -> Any:
    import logging

    import ray

    ray.init(num_cpus=WORKERS, include_dashboard=False, logging_level=logging.ERROR)
    stack.callback(ray.shutdown)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    return ray


def _fed_by_ray(work: Work, dataset: Any, ahead: int) -> Any:
    import tensorflow as tf

    def batches() -> Iterator[tuple[Any, Any]]:
        for batch in dataset.iter_batches(
            batch_size=BATCH, prefetch_batches=ahead, batch_format="numpy", drop_last=True
        ):
            yield batch["image"], batch["label"].astype(np.int32)

    signature = (
        tf.TensorSpec((BATCH, work.patch, work.patch, 3), tf.uint8),
        tf.TensorSpec((BATCH,), tf.int32),
    )
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2)


def ray_documented(work: Work, stack: ExitStack) -> Any:
    ray, patch = _ray(stack), work.patch
    rows = [{"path": path, "label": label} for path, label in work.photos]

    def load(row: dict[str, Any]) -> dict[str, Any]:
        return {"image": _pillow(row["path"], patch), "label": row["label"]}

    return _fed_by_ray(work, ray.data.from_items(rows).map(load), 1)


def ray_tuned(work: Work, stack: ExitStack) -> Any:
    ray = _ray(stack)

    def load(rows: dict[str, Any]) -> dict[str, Any]:
        images, labels = work.visits_batch(int(rows["id"][0]))
        return {"image": images, "label": labels}

    numbers = ray.data.range(work.samples // BATCH, override_num_blocks=8 * WORKERS)
    return _fed_by_ray(work, numbers.map_batches(load, batch_size=1), 4)


# -- PushFit ------------------------------------------------------------------------------------


def pushfit(work: Work, stack: ExitStack) -> Any:
    """The stream of train_zmq.py with two local generators."""
    from pushfit.settings.programs.train import TrainSettings
    from pushfit.settings.stream import MiB
    from pushfit.streams.live import LiveStream
    from pushfit.streams.purpose import for_training, task_of

    out = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    settings = TrainSettings(
        model="smallcnn", weights=str(out / "model.keras"), out=str(out), links=work.links,
        epochs=1, batch_size=BATCH, patches_per_visit=work.patches, seed=SEED,
        patches_per_epoch=work.samples, bind="tcp://127.0.0.1:0", generators=WORKERS,
        buffer=BUFFER * MiB, progress="lines",
    )  # fmt: skip
    task = task_of(settings, work.task.params)
    stream = LiveStream(settings, task, for_training(settings, task, needs_data=True))
    return settings, out, stack.enter_context(stream)


SIDES: dict[str, Callable[[Work, ExitStack], Any]] = {
    "pushfit": pushfit,
    "tfdata_documented": tfdata_documented,
    "tfdata_tuned": tfdata_tuned,
    "tfdata_native": tfdata_native,
    "service_documented": service_documented,
    "service_tuned": service_tuned,
    "torch_documented": torch_documented,
    "torch_tuned": torch_tuned,
    "pydataset_documented": pydataset_documented,
    "pydataset_tuned": pydataset_tuned,
    "ray_documented": ray_documented,
    "ray_tuned": ray_tuned,
}


def fit(side: str, work: Work, began: float) -> dict[str, Any]:
    """times: seconds since `began` at which batches ended; cpu: {batch: [of all, of this]}."""
    from pushfit.training import backend

    watched = None
    with ExitStack() as stack:
        steps = work.samples // BATCH
        if side == "pushfit":  # the fleet starts before Keras is imported, as in train_zmq.py
            settings, out, stream = pushfit(work, stack)
            backend.start()
            from pushfit.training.fit import Fit

            model(work.patch, len(work.data.classes)).save(out / "model.keras")
            watched = watch(began)
            watched.marks = {steps // MARKS, steps - 1}
            run = Fit(stream, settings, out, {})
            run._callbacks.callbacks.append(watched)
            run.run()
        else:
            backend.start()
            made = model(work.patch, len(work.data.classes))
            watched = watch(began)
            watched.marks = {steps // MARKS, steps - 1}
            x = SIDES[side](work, stack)
            made.fit(x, epochs=1, verbose=0, callbacks=[watched], shuffle=False)
    return {"times": watched.times, "cpu": watched.cpu}


def check(side: str, work: Work) -> dict[str, Any]:
    """A sum over samples that their order does not change, and their number."""
    total = count = 0
    with ExitStack() as stack:
        for images, labels in _batches(side, work, stack):
            for image, label in zip(np.asarray(images), np.asarray(labels), strict=True):
                total += zlib.crc32(image.tobytes() + bytes([int(label)]))
                count += 1
    return {"sum": total, "samples": count}


def _batches(side: str, work: Work, stack: ExitStack) -> Iterable[Any]:
    if side == "pushfit":
        stream = pushfit(work, stack)[2]
        for batch in stream.feed.all():
            yield batch.arrays["image"], batch.arrays["label"]
        return
    x = SIDES[side](work, stack)
    yield from (x[n] for n in range(len(x))) if side.startswith("pydataset") else x


if __name__ == "__main__":
    SIDE, JSON, BEGAN, WHAT = sys.argv[1:]
    WORK = msgspec.json.decode(JSON, type=Work)
    print(json.dumps(fit(SIDE, WORK, float(BEGAN)) if WHAT == "fit" else check(SIDE, WORK)))
