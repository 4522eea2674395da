"""One measurement of `bench remote`, in a process of its own: prints a line of JSON.

    python -m bench._remote_sides pushfit|service WORKERS WAIT SECONDS PATCH BUFFER

A worker here is a core somewhere else, simulated by one that sleeps WAIT seconds for each visit
and then hands over K patches that are ready-made.

    pushfit  WORKERS processes of the real `Worker` ─▶ Stream ─▶ Feed: exact order, mixed batches
    service  WORKERS tf.data service workers (in one process: 64 would not fit in memory), sleeping
             in C++, uncompressed ─▶ batches as they come
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

K, BATCH = 16, 32
WARM = 2.0  # seconds after the last worker joined
VISITS = 2_000_000


def pushfit(workers: int, wait: float, patch: int, buffer: int) -> Iterator[int]:
    """Samples of each batch; the first comes when all workers have joined."""
    from bench._ready import end, ready_peers, ready_stream
    from pushfit.settings.stream import StreamSettings
    from pushfit.tasks.camera.params import CameraParams

    settings = StreamSettings(
        batch_size=BATCH, epochs=1, patches_per_epoch=VISITS * K, patches_per_visit=K,
        bind="tcp://127.0.0.1:0", buffer=buffer,
    )  # fmt: skip
    peers: list[subprocess.Popen[bytes]] = []
    try:
        with ready_stream(settings, CameraParams(patch=patch)) as stream:
            peers += ready_peers(stream.port, workers, wait)
            joined = False
            for batch in stream.feed.all():  # taken from the start: no stock may count later
                joined = joined or stream.dispatcher.exchange.generators == workers
                if joined:
                    yield len(batch.arrays["label"])
    finally:  # they heard that the run is over when the stream closed
        end(peers)


def service(workers: int, wait: float, patch: int, buffer: int) -> Iterator[int]:
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


def measure(batches: Iterator[int], seconds: float) -> dict[str, float]:
    """Samples a second, and the CPU seconds that this process and all others took for a second."""
    next(batches)
    joined = time.perf_counter()
    while time.perf_counter() - joined < WARM:
        next(batches)
    began, used, machine = time.perf_counter(), time.process_time(), _machine()
    count = 0
    while time.perf_counter() - began < seconds:
        count += next(batches)
    spent = time.perf_counter() - began
    return {
        "samples_per_s": count / spent,
        "cpu": (time.process_time() - used) / spent,
        "machine_cpu": (_machine() - machine) / spent,
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _machine() -> float:
    """CPU seconds that the machine has spent on anything."""
    with open("/proc/stat", encoding="ascii") as file:  # noqa: PTH123 (no path: the kernel)
        user, nice, system, _, _, irq, soft, *_ = map(int, file.readline().split()[1:])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    SIDE, WORKERS, WAIT, SECONDS, PATCH, BUFFER = sys.argv[1:]
    make = {"pushfit": pushfit, "service": service}[SIDE]
    source = make(int(WORKERS), float(WAIT), int(PATCH), int(BUFFER))
    print(json.dumps(measure(source, float(SECONDS))), flush=True)
    if SIDE == "service":
        os._exit(0)  # servers with clients in the same process never end by themselves
    source.close()
