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

import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench import _rivals, _service
from bench._apart import tell
from bench._job_fit import model, watch
from bench._rivals import WORKERS, pillow, prefetched
from bench._work import BATCH, SEED, Work

BUFFER = 128  # MiB: little more than mixing needs, so what start-up made is soon used up
MARKS = 3  # the steady part begins after one in so many batches


# -- tf.data, and its service ----------------------------------------------------------------


def _python_visits(work: Work) -> Any:
    """Our code in the threads of a map: decoders and Pillow let go of the interpreter lock."""
    import tensorflow as tf

    def batch(number: Any) -> Any:
        images, labels = tf.numpy_function(
            lambda n: work.batch(int(n)), [number], (tf.uint8, tf.int32)
        )
        shape = BATCH, work.patch, work.patch, 3
        return tf.ensure_shape(images, shape), tf.ensure_shape(labels, (BATCH,))

    numbers = tf.data.Dataset.range(work.samples // BATCH)
    return numbers.map(batch, num_parallel_calls=WORKERS)


def _native_visits(work: Work) -> Any:
    return _rivals.tf_visits(work).rebatch(BATCH)


def _serviced(made: Any, stack: ExitStack, **options: Any) -> Any:
    """The dataset `made` by a dispatcher and WORKERS workers, each a process of its own."""
    import tensorflow as tf

    service = tf.data.experimental.service
    policy = service.ShardingPolicy.DYNAMIC  # each photo once, to whoever is free
    target = stack.enter_context(_service.service(WORKERS))
    return made.apply(service.distribute(policy, target, **options))


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
        return {"image": pillow(row["path"], patch), "label": row["label"]}

    return _fed_by_ray(work, ray.data.from_items(rows).map(load), 1)


def ray_tuned(work: Work, stack: ExitStack) -> Any:
    ray = _ray(stack)

    def load(rows: dict[str, Any]) -> dict[str, Any]:
        images, labels = work.batch(int(rows["id"][0]))
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
    "tfdata_documented": lambda work, _: prefetched(_rivals.tf_photos(work)),
    "tfdata_tuned": lambda work, _: prefetched(_python_visits(work)),
    "tfdata_native": lambda work, _: prefetched(_native_visits(work)),
    "service_documented": lambda work, stack: prefetched(_serviced(_rivals.tf_photos(work), stack)),
    "service_tuned": lambda work, stack: prefetched(
        _serviced(_native_visits(work), stack, compression=None)
    ),
    "torch_documented": lambda work, _: _rivals.torch_documented(work),
    "torch_tuned": lambda work, _: _rivals.torch_tuned(work, work.visits_a_batch),
    "pydataset_documented": lambda work, _: _rivals.keras_documented(work),
    "pydataset_tuned": lambda work, _: _rivals.keras_tuned(work),
    "ray_documented": ray_documented,
    "ray_tuned": ray_tuned,
}


def fit(side: str, work: Work, began: float) -> dict[str, Any]:
    """times: seconds since `began` at which batches ended; cpu: {batch: [of all, of this]}."""
    from pushfit.training import backend

    steps = work.samples // BATCH
    with ExitStack() as stack:
        if side == "pushfit":  # the fleet starts before Keras is imported, as in train_zmq.py
            settings, out, stream = pushfit(work, stack)
        backend.start()
        made = model(work.patch, len(work.data.classes))
        watched = watch(began, {steps // MARKS, steps - 1})
        if side == "pushfit":
            from pushfit.training.fit import Fit

            made.save(out / "model.keras")
            run = Fit(stream, settings, out, {})
            run._callbacks.callbacks.append(watched)
            run.run()
        else:
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


def measure(side: str, work: str, began: float, what: str) -> dict[str, Any]:
    named = msgspec.json.decode(work, type=Work)
    return fit(side, named, began) if what == "fit" else check(side, named)


if __name__ == "__main__":
    tell(measure)
