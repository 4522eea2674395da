"""Batches of ready-made 28 x 28 samples from one process to another, over leases and over Redis.

    leases            one generator that speaks the whole protocol ─▶ Dispatcher: every lease, in
                      exact order, counted, to a consumer that hands it back
    batches           the same, on through the feed into batches of BATCH, as `fit` gets them
    mixed             the same with MIXED samples a visit, so that rows are mixed over a window
    redis_documented  a list on loopback TCP: RPUSH a batch, BLPOP a batch
    redis_tuned       the same over a Unix socket, with the C parser and larger reads
    redis_each        a sample a command, as queues of single items are written

Producer and consumer are a process each, one of each; Redis has its server besides. A sample's
image is a function of its label, so that a consumer can compare what came with what was sent.
Every consumer ends with numpy arrays: (n, 28, 28, 1) uint8 images and (n,) int32 labels.

    python -m bench._digits SIDE SECONDS      a consumer, which starts its producer: prints JSON
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

import numpy as np

from bench import _flow
from bench._apart import beside, end, free_port, tell, tie
from bench._dispatched import DONE, deliveries, open_dispatcher
from bench._ready import Ready, data_set, work
from pushfit.dispatch.dispatcher import Dispatcher
from pushfit.errors import ConfigError, PushFitError
from pushfit.feed.feed import Feed
from pushfit.fleet.local import die_with_parent
from pushfit.tasks.base import ArraySpec

RECORDS = 60_000  # of an epoch, as MNIST has
BATCH = 1024
MIXED = 4  # samples a visit where they are mixed
SPECS = (ArraySpec("image", "uint8", (28, 28, 1)), ArraySpec("label", "int32", ()))
SAMPLE = sum(spec.nbytes for spec in SPECS)
LEASE_BYTES = 8 * 2**20  # --lease-bytes by default
MOST = LEASE_BYTES // SAMPLE  # samples in a lease
WARM = 200_000  # samples before the clock starts; all of them are checked
READ = 2**20  # bytes that the tuned client reads at a time
AHEAD = 64  # batches that a Redis list may hold: its producer waits then
KEY = "batches"


def ready() -> tuple[np.ndarray, np.ndarray]:
    """The largest lease: (n, 28, 28, 1) uint8 images that follow from (n,) int32 labels."""
    labels = (np.arange(MOST) % 1000).astype(np.int32)
    table = np.random.default_rng(0).integers(0, 256, (1000, 28, 28, 1), np.uint8)
    return table[labels], labels


class Check:
    """Compares samples with those of `ready`."""

    def __init__(self) -> None:
        self._table = ready()[0][:1000]
        self.right = True

    def __call__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.right &= bool((images == self._table[labels]).all()) and labels.dtype == np.int32


# -- ours ---------------------------------------------------------------------------------------


class _Maker(Ready):
    """A lease is the first of the ready samples."""

    made = staticmethod(cache(ready))

    def specs(self) -> tuple[ArraySpec, ...]:
        return SPECS

    def drawn(self, rows: int) -> list[np.ndarray]:
        return [array[:rows] for array in self.made()]


DATA = data_set(RECORDS, ("any",))


@contextmanager
def _trainer(patches: int) -> Iterator[Dispatcher]:
    dispatcher, address = open_dispatcher(
        SPECS, DATA, patches=patches, epochs=10_000, window=32, lease_bytes=LEASE_BYTES
    )
    with beside("-m", "bench._digits", "generator", address):
        try:
            yield dispatcher
        finally:
            dispatcher.close(done=True, reason=DONE)


def leases() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    with _trainer(1) as dispatcher:
        for delivery in deliveries(dispatcher):
            yield delivery.arrays[0], delivery.arrays[1]


def batches(patches: int = 1) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    with _trainer(patches) as dispatcher:
        feed = Feed(dispatcher, SPECS, BATCH)
        try:
            for batch in feed.all():
                yield batch.arrays["image"], batch.arrays["label"]
        finally:
            for row in feed.audit()["train"][:-1]:  # the epochs that are complete
                if row["missing"] or row["duplicate"]:
                    raise PushFitError(f"an epoch was not handed on exactly once: {row}")


# -- Redis --------------------------------------------------------------------------------------


@contextmanager
def _server() -> Iterator[Path]:
    """A server of our own that keeps nothing on disk; its Unix socket. `port` stands beside it."""
    program = shutil.which("redis-server")
    if program is None:
        raise ConfigError("there is no redis-server on this machine: apt install redis-server")
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "redis.sock"
        port = free_port()
        flags = ("--port", port, "--bind", "127.0.0.1", "--unixsocket", socket, "--dir", folder,
                 "--save", "", "--appendonly", "no", "--loglevel", "warning")  # fmt: skip
        (Path(folder) / "port").write_text(str(port))
        server = Popen([program, *map(str, flags)], stdout=DEVNULL, preexec_fn=tie)
        try:
            until = time.monotonic() + 10.0
            while not socket.exists():
                if server.poll() is not None or time.monotonic() > until:
                    raise ConfigError("redis-server did not start")
                time.sleep(0.01)
            yield socket
        finally:
            end([server])


def _client(socket: Path, *, tuned: bool) -> Any:
    import redis

    if tuned:
        pool = redis.ConnectionPool(
            connection_class=redis.UnixDomainSocketConnection,
            path=str(socket),
            socket_read_size=READ,
        )
        return redis.Redis(connection_pool=pool)
    return redis.Redis(host="127.0.0.1", port=int((socket.parent / "port").read_text()))


def producer(side: str, socket: str) -> None:
    """Fills the list for as long as it lives, AHEAD batches at most."""
    tuned = side == "redis_tuned"
    client = _client(Path(socket), tuned=tuned)
    count = 1 if side == "redis_each" else BATCH
    images, labels = (array[:count] for array in ready())
    value = images.tobytes() + labels.tobytes()
    most = AHEAD * (BATCH if count == 1 else 1)
    while True:
        length = client.rpush(KEY, value)
        while length > most:
            time.sleep(0.0005)
            length = client.llen(KEY)


def from_redis(side: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    with _server() as socket:
        client = _client(socket, tuned=side == "redis_tuned")
        words = ("-m", "bench._digits", "producer", side, socket)
        with beside(*words), closing(client):
            while True:
                value = client.blpop(KEY)[1]
                count = len(value) // SAMPLE
                pixels = count * SPECS[0].nbytes
                image = np.frombuffer(value, np.uint8, pixels).reshape(count, 28, 28, 1)
                yield image, np.frombuffer(value, np.int32, count, pixels)


OURS = {"leases": leases, "batches": batches, "mixed": lambda: batches(MIXED)}
REDIS = ("redis_documented", "redis_tuned", "redis_each")


def measure(side: str, seconds: float) -> dict[str, Any]:
    """{"samples_s", "right"} of a consumer in this process."""
    source = OURS[side]() if side in OURS else from_redis(side)
    check = Check()

    def checked() -> Iterator[int]:
        for images, labels in source:
            check(images, labels)
            yield len(labels)

    try:
        _flow.warmed(checked(), amount=WARM if side != "redis_each" else 2000)
        flow = _flow.measured((len(labels) for _, labels in source), seconds)
    finally:
        source.close()  # type: ignore[attr-defined]
    return {"samples_s": flow.got / flow.seconds, "right": check.right}


if __name__ == "__main__":
    die_with_parent()
    if sys.argv[1] == "generator":
        work(_Maker, DATA, sys.argv[2])
    elif sys.argv[1] == "producer":
        producer(*sys.argv[2:])
    else:
        tell(measure)
