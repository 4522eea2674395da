"""How long a worker takes, from the start of its process to the first sample from it.

    generator TASK LINKS   generator_zmq.py, until its first lease is in the trainer's hands
    tfdata                 a tf.data service worker, until its first element is
    torch                  a DataLoader worker, by spawn, until its first batch is

In each the side that consumes is up before the clock starts: only the worker is timed.

    python -m bench._starts SIDE …       prints JSON
"""

from __future__ import annotations

import time
from typing import Any

from bench._apart import beside, end, tell
from bench._service import worker
from pushfit.settings.programs.sink import SinkSettings
from pushfit.settings.resolve import resolve
from pushfit.streams.live import LiveStream
from pushfit.streams.purpose import for_sink, task_of


def generator(task: str, links: str) -> float:
    words = ("--task", task, "--links", links, "--bind", "tcp://127.0.0.1:0", "--epochs", "1000")
    resolved = resolve(SinkSettings, words, prog="sink_zmq.py", description="")
    assert resolved.params is not None  # --task is given
    of_task = task_of(resolved.settings, resolved.params)
    purpose = for_sink(resolved.settings, of_task, needs_data=True)
    stream = LiveStream(resolved.settings, of_task, purpose)
    with stream:
        address = f"tcp://127.0.0.1:{stream.port}"
        command = ("generator_zmq.py", "--connect", address, "--links", links, "--log", "warnings")
        started = time.perf_counter()
        with beside(*command):
            next(stream.dispatcher.deliveries())
            return time.perf_counter() - started


def tfdata() -> float:
    import tensorflow as tf

    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    started = time.perf_counter()
    process = worker(dispatcher.target)
    try:
        data = tf.data.Dataset.range(10).apply(
            service.distribute(service.ShardingPolicy.OFF, dispatcher.target)
        )
        next(iter(data))
        return time.perf_counter() - started
    finally:
        end([process])


class Numbers:
    """A data set that costs nothing."""

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> int:
        return index


def torch() -> float:
    from torch.utils.data import DataLoader

    from bench._starts import Numbers as Importable  # a spawned worker imports it by this name

    loader: Any = DataLoader(
        Importable(),  # type: ignore[arg-type]
        batch_size=8,
        num_workers=1,
        multiprocessing_context="spawn",
    )
    started = time.perf_counter()
    batches = iter(loader)
    next(batches)
    return time.perf_counter() - started


def measure(side: str, task: str = "", links: str = "") -> dict[str, float]:
    if side == "generator":
        return {"s": generator(task, links)}
    return {"s": tfdata() if side == "tfdata" else torch()}


if __name__ == "__main__":
    tell(measure)
