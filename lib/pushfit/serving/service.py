"""From an upload to probabilities: threads of a pool decode, and one thread calls the model.

    file ─▶ decode, from_picture (pool) ─▶ Batcher ─▶ Net (one thread) ─▶ probabilities

States: loading (the model is read, and called once for each size of batch) ─▶ ready; or failed,
which ends the server. At most `queue` requests are under way, so that memory is bounded; further
requests are refused at once, and may be tried again.
"""

from __future__ import annotations

import asyncio
import base64
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, Protocol

import numpy as np
from PIL import Image

from pushfit import host_facts
from pushfit.errors import BadRecord
from pushfit.serving import pictures, refusals
from pushfit.serving.batching import Batcher
from pushfit.serving.logs import log
from pushfit.serving.metrics import Metrics
from pushfit.serving.refusals import Refusal
from pushfit.serving.uploads import Picture
from pushfit.settings.programs.serve import ServeSettings
from pushfit.tasks.base import Task

Sample = Mapping[str, Any]


class Forward(Protocol):
    """Maps samples of the task to their probabilities, (n, classes), in the same order."""

    def __call__(self, samples: list[Sample]) -> np.ndarray: ...


class Service:
    """Answers requests with the model.

    load: makes the model ready, in the thread that will call it; it takes seconds.
    failed: called in the event loop if `load` raised.
    loaded: called in the event loop when `load` has returned.
    worker: the number of this process; 0: it is the only one.
    """

    def __init__(
        self,
        task: Task,
        load: Callable[[], Forward],
        settings: ServeSettings,
        failed: Callable[[BaseException], None],
        loaded: Callable[[], None] = lambda: None,
        worker: int = 0,
    ) -> None:
        self._task, self._load, self._settings = task, load, settings
        self._failed, self._loaded = failed, loaded
        self._pool = ThreadPoolExecutor(max(1, host_facts.cores() // settings.workers), "decode")
        self._thread = ThreadPoolExecutor(1, "model")
        self._batcher: Batcher[Sample, np.ndarray] | None = None
        self._under_way = 0
        self._running: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self.metrics = Metrics(worker)

    @property
    def ready(self) -> bool:
        return self._batcher is not None

    def start(self) -> None:
        """Begin to load the model. Call it in the event loop."""
        self._running = asyncio.create_task(self._run())

    async def settled(self) -> None:
        """Wait until the model is loaded, or loading has failed."""
        await self._settled.wait()

    async def stop(self) -> None:
        """End the service. Call it when no request is left. It does not wait for loading."""
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
            self._settled.set()
            return
        seconds = round(time.perf_counter() - started, 1)
        self._batcher = Batcher(
            lambda samples: self._timed(forward, samples),
            self._thread,
            most=self._settings.max_batch,
            wait=self._settings.batch_wait,
        )
        self.metrics.ready.set(1)
        log.info("ready", extra={"fields": {"seconds": seconds}})
        self._loaded()
        self._settled.set()
        await self._batcher.run()

    def _timed(self, forward: Forward, samples: list[Sample]) -> Sequence[np.ndarray]:
        self.metrics.batch.observe(len(samples))
        with self.metrics.model_seconds.time():
            return list(forward(samples))

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A context of one request under way. Raises Refusal (503)."""
        if self._batcher is None:
            raise Refusal(503, "the model is being loaded: try again in a few seconds", again=5)
        if self._under_way >= self._settings.queue:
            raise Refusal(503, "too many requests are waiting: try again later", again=1)
        self._under_way += 1
        try:
            with self.metrics.under_way.track_inprogress():
                yield
        finally:
            self._under_way -= 1

    async def recognize(self, file: Picture, seen: bool) -> tuple[np.ndarray, str | None]:
        """((classes,) probabilities, the model's input as a PNG data URL if `seen`, else None).

        Raises Refusal (400, 413, 415, 422).
        """
        assert self._batcher is not None
        loop = asyncio.get_running_loop()
        try:
            sample, url = await loop.run_in_executor(
                self._pool, copy_context().run, self._prepare, file, seen
            )  # the context has the request's id for log lines
        except BadRecord as error:
            raise refusals.of(error) from None
        row = await self._batcher.ask(sample)
        if not np.isfinite(row).all():
            raise Refusal(500, "the model has no answer for this picture: it gives NaN or infinity")
        return row, url

    def _prepare(self, file: Picture, seen: bool) -> tuple[Sample, str | None]:
        """Decode the picture and make a sample of it. It runs in the pool."""
        most = self._settings.max_pixels * 1_000_000
        picture = pictures.decode(file(), most, upright=self._task.upright)
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
