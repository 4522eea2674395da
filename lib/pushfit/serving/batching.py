"""Batches requests: those that wait while the model computes become its next batch.

    await batcher.ask(item)  ─▶  waiting  ─▶  [item, …] of at most `most`  ─▶  forward, in a thread

- One thread owns the model, so calls never overlap, and the event loop stays free.
- `wait` is the number of seconds for which an item waits for others if the model is idle. The
  default is 0: under load batches form by themselves, and without load waiting would only cost
  time.
- A request that stopped waiting (a deadline, a closed connection) is left out of its batch.
- An error of `forward` is raised for each item of its batch, and the next batch is tried.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Collects items into batches.

    forward: maps a list of items to as many results, in their order; it runs in `thread`.
    most: most items of a batch.
    wait: seconds for which an item waits for others if the model is idle.
    """

    def __init__(
        self,
        forward: Callable[[list[Item]], Sequence[Result]],
        thread: ThreadPoolExecutor,
        *,
        most: int,
        wait: float,
    ) -> None:
        self._forward, self._thread = forward, thread
        self._most, self._wait = most, wait
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._some, self._full = asyncio.Event(), asyncio.Event()

    async def ask(self, item: Item) -> Result:
        """The result for `item`. Cancel it to stop waiting."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._some.set()
        if len(self._waiting) >= self._most:
            self._full.set()
        return await future

    async def run(self) -> None:
        """Serve until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._some.wait()
            if self._wait and len(self._waiting) < self._most:
                self._full.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._full.wait(), self._wait)
            batch = self._take()
            if not batch:
                continue
            try:
                results = await loop.run_in_executor(
                    self._thread, self._forward, [item for item, _ in batch]
                )
            except Exception as error:  # each request of the batch gets the error
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)

    def _take(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        while self._waiting and len(batch) < self._most:
            item, future = self._waiting.popleft()
            if not future.done():
                batch.append((item, future))
        if not self._waiting:
            self._some.clear()
        return batch
