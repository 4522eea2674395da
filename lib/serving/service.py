"""From an upload to probabilities: decoded in one pool of threads, told by the model in one thread.

    file ─▶ decode, from_picture (pool) ─▶ Batcher ─▶ Net (one thread) ─▶ probabilities

States: loading (the model is read, and called once for each size of batch) ─▶ ready; or failed,
which ends the server. At most `queue` requests are under way, so memory is bounded; who comes on
top of them is told at once to come again.
"""

from __future__ import annotations

import asyncio
import base64
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, BinaryIO, Protocol

import numpy as np
from PIL import Image

from cfg import hosts
from cfg.base import ServeSettings
from lib.errors import BadRecord
from lib.serving import pictures, refusals
from lib.serving.batching import Batcher
from lib.serving.logs import log
from lib.serving.metrics import Metrics
from lib.serving.refusals import Refusal
from lib.tasks.base import Task

Sample = Mapping[str, Any]


class Forward(Protocol):
    """From samples of the task to (n, classes) probabilities, in their order."""

    def __call__(self, samples: list[Sample]) -> np.ndarray: ...


class Service:
    """load: makes the model ready, in the thread that will call it; takes seconds.

    failed: is called in the event loop when `load` raised.
    """

    def __init__(
        self,
        task: Task,
        load: Callable[[], Forward],
        settings: ServeSettings,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._task, self._load, self._settings, self._failed = task, load, settings, failed
        self._pool = ThreadPoolExecutor(hosts.cores(), "decode")
        self._thread = ThreadPoolExecutor(1, "model")
        self._batcher: Batcher[Sample, np.ndarray] | None = None
        self._under_way = 0
        self._running: asyncio.Task[None] | None = None
        self.metrics = Metrics(lambda: self.ready, lambda: self._under_way)

    @property
    def ready(self) -> bool:
        return self._batcher is not None

    def start(self) -> None:
        """Begin to load. Call it in the event loop."""
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Call it when no request is left. A model that is still loading is not waited for."""
        if self._running is not None:
            self._running.cancel()
        for executor in (self._pool, self._thread):
            executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        started = time.perf_counter()
        try:
            forward = await asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        except Exception as error:
            self._failed(error)
            return
        seconds = round(time.perf_counter() - started, 1)
        self._batcher = Batcher(
            lambda samples: self._timed(forward, samples),
            self._thread,
            most=self._settings.max_batch,
            wait=self._settings.batch_wait,
        )
        log.info("ready", extra={"fields": {"seconds": seconds}})
        await self._batcher.run()

    def _timed(self, forward: Forward, samples: list[Sample]) -> Sequence[np.ndarray]:
        self.metrics.batch.observe(len(samples))
        with self.metrics.model_seconds.time():
            return list(forward(samples))

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """One request under way. Raises Refusal (503)."""
        if self._batcher is None:
            raise Refusal(503, "the model is being loaded: come again in some seconds", again=5)
        if self._under_way >= self._settings.queue:
            raise Refusal(503, "too many requests are waiting: come again", again=1)
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    async def recognize(self, file: BinaryIO, seen: bool) -> tuple[np.ndarray, str | None]:
        """(classes,) probabilities; and with `seen` the model's input as a PNG data URL.

        Raises Refusal (413, 415, 422).
        """
        assert self._batcher is not None
        loop = asyncio.get_running_loop()
        try:
            sample, url = await loop.run_in_executor(self._pool, self._prepare, file, seen)
        except BadRecord as error:
            raise refusals.of(error) from None
        return await self._batcher.ask(sample), url

    def _prepare(self, file: BinaryIO, seen: bool) -> tuple[Sample, str | None]:
        """Runs in the pool."""
        file.seek(0)
        most = self._settings.max_pixels * 1_000_000
        picture = pictures.decode(file.read(), most, upright=self._task.upright)
        sample = self._task.from_picture(picture)
        return sample, self._shown(sample) if seen else None

    def _shown(self, sample: Sample) -> str | None:
        shown = self._task.pictures(
            {name: np.asarray(value)[None] for name, value in sample.items()}
        )
        if shown is None:
            return None
        pixels = shown[0] if shown.shape[-1] == 3 else shown[0, ..., 0]
        png = io.BytesIO()
        Image.fromarray(pixels).save(png, "PNG")
        return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
