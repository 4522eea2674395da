"""One measurement of `bench remote`, in a process of its own: prints a line of JSON.

    python -m bench._remote_sides pushfit|service WORKERS WAIT SECONDS PATCH BUFFER

A worker here is a core somewhere else, simulated by one that sleeps WAIT seconds for each visit
and then hands over K patches that are ready-made.

    pushfit  WORKERS processes of the real `Worker` ─▶ Stream ─▶ Feed: exact order, mixed batches
    service  WORKERS tf.data service workers (in one process: 64 would not fit in memory), sleeping
             in C++, uncompressed ─▶ batches as they come
"""

from __future__ import annotations

import os
import resource
from collections.abc import Generator

import numpy as np

from bench import _flow
from bench._apart import tell

K, BATCH = 16, 32
WARM = 2.0  # seconds after the last worker joined
VISITS = 2_000_000
KEPT: list[object] = []  # servers with clients in the same process do not end: they are not closed


def pushfit(workers: int, wait: float, patch: int, buffer: int) -> Generator[int]:
    """Samples of each batch; the first comes when all workers have joined."""
    from bench._ready import fleet
    from pushfit.settings.stream import StreamSettings
    from pushfit.tasks.camera.params import CameraParams

    settings = StreamSettings(
        batch_size=BATCH, epochs=1, patches_per_epoch=VISITS * K, patches_per_visit=K,
        bind="tcp://127.0.0.1:0", buffer=buffer,
    )  # fmt: skip
    with fleet(settings, CameraParams(patch=patch), workers, wait) as stream:
        joined = False
        for batch in stream.feed.all():  # taken from the start: no stock may count later
            joined = joined or stream.dispatcher.exchange.generators == workers
            if joined:
                yield len(batch.arrays["label"])


def service(workers: int, wait: float, patch: int, buffer: int) -> Generator[int]:
    import tensorflow as tf
    from tensorflow.python.data.experimental.ops import testing  # its sleep runs in C++

    kind = tf.data.experimental.service
    dispatcher = kind.DispatchServer()
    address = dispatcher.target.split("://")[1]
    kept = [kind.WorkerServer(kind.WorkerConfig(address)) for _ in range(workers)]
    images = tf.constant(np.full((K, patch, patch, 3), 7, np.uint8))
    labels = tf.zeros((K,), tf.int32)
    visits = tf.data.Dataset.range(VISITS).apply(testing.sleep(round(wait * 1e6)))
    made = visits.map(lambda _: (images, labels))
    distributed = made.apply(
        kind.distribute(
            kind.ShardingPolicy.DYNAMIC, dispatcher.target, compression=None,
            max_outstanding_requests=2 * workers,
        )
    )  # fmt: skip
    for _, label in distributed.rebatch(BATCH).prefetch(tf.data.AUTOTUNE):
        yield len(label)
    del kept


def measure(
    side: str, workers: int, wait: float, seconds: float, patch: int, buffer: int
) -> dict[str, float]:
    """Samples a second, and the CPU seconds that this process and all others took for a second."""
    batches = {"pushfit": pushfit, "service": service}[side](workers, wait, patch, buffer)
    _flow.warmed(batches)  # the first comes when all workers have joined
    _flow.warmed(batches, WARM)
    machine = _machine()
    flow = _flow.measured(batches, seconds)
    machine = _machine() - machine
    if side == "pushfit":
        batches.close()
    else:
        KEPT.append(batches)
    return {
        "samples_per_s": flow.got / flow.seconds,
        "cpu": flow.cpu / flow.seconds,
        "machine_cpu": machine / flow.seconds,
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _machine() -> float:
    """CPU seconds that the machine has spent on anything."""
    with open("/proc/stat", encoding="ascii") as file:  # noqa: PTH123 (no path: the kernel)
        user, nice, system, _, _, irq, soft, *_ = map(int, file.readline().split()[1:])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    tell(measure)
    os._exit(0)
