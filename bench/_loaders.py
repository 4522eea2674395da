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

import os
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

from bench import _flow, _rivals
from bench._apart import tell
from bench._rivals import WORKERS
from bench._turns import Figures, told
from bench._work import BATCH, Work

EPOCHS, EPOCH = 1000, 4000  # visits: of the size of real data sets, however few files there are
WARM_SECONDS = 4.0
PATIENCE = 60.0  # seconds for the start and end of a measurement

Batches = Iterable[Any]  # (images, labels), arrays or tensors


def ours(work: Work) -> Batches:
    from pushfit.settings.programs.sink import SinkSettings
    from pushfit.streams.live import LiveStream
    from pushfit.streams.purpose import for_sink, task_of

    settings = SinkSettings(
        null=True, links=work.links, epochs=EPOCHS, patches_per_epoch=work.samples,
        generators=WORKERS, patches_per_visit=work.patches, batch_size=BATCH,
        hash=False,  # as in training: no rival hashes its stream
        bind="tcp://127.0.0.1:0",
    )  # fmt: skip
    task = task_of(settings, work.task.params)
    with LiveStream(settings, task, for_sink(settings, task, needs_data=True)) as stream:
        for batch in stream.feed.all():
            yield batch.arrays["image"], batch.arrays["label"]


def torch_tuned(work: Work) -> Batches:
    """An item is a visit's patches as they are, but where that is one."""
    return _rivals.torch_tuned(work, 1 if work.patches > 1 else BATCH)


def keras(data: Any) -> Batches:
    from bench._keras import Taken

    return Taken(data)


def tf_documented(work: Work) -> Batches:
    made = _rivals.tf_photos(work).repeat()
    return _rivals.prefetched(made).as_numpy_iterator()


def tf_tuned(work: Work) -> Batches:
    import tensorflow as tf

    options = tf.data.Options()
    options.deterministic = False
    options.experimental_slack = False
    many = work.patches > 1  # a visit's patches as they are
    made = (_rivals.tf_visits if many else _rivals.tf_photos)(work, tuned=True).repeat()
    return _rivals.prefetched(made).with_options(options).as_numpy_iterator()


SIDES: dict[str, Callable[[Work], Batches]] = {
    "ours": ours,
    "torch_documented": _rivals.torch_documented,
    "torch_tuned": torch_tuned,
    "keras_documented": lambda work: keras(_rivals.keras_documented(work)),
    "keras_tuned": lambda work: keras(_rivals.keras_tuned(work)),
    "tf_documented": tf_documented,
    "tf_tuned": tf_tuned,
}


def speed(side: str, *about: object) -> Figures:
    """One measurement. about: as for `measure`, and in a process of its own."""
    # The workers are the parallelism.
    env = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    *_, seconds, warm = map(str, about)
    return told("_loaders", side, *about, seconds=float(seconds) + float(warm) + PATIENCE, env=env)


def _sizes(side: str, work: Work) -> Generator[int]:
    """How many patches each batch has, epoch after epoch."""
    shape = (work.patch, work.patch, 3)
    data = SIDES[side](work)
    while True:
        for images, _ in data:
            assert images.shape[1:] == shape, images.shape
            yield len(images)


def measure(side: str, links: Path, px: int, k: int, seconds: float, warm: float) -> Figures:
    """Patches a second that reach the consumer."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:WORKERS])
    source = _sizes(side, Work(str(links), EPOCH * k, px, k))
    _flow.warmed(source)
    _flow.warmed(source, warm)
    flow = _flow.measured(source, seconds)
    source.close()
    return {"patches_per_s": flow.got / flow.seconds}


if __name__ == "__main__":
    tell(measure)
    os._exit(0)  # whatever threads a loader has left
