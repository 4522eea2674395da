"""Many requests, one call of the model: what waits while the model computes makes the next batch.

    await batcher.ask(item)  ─▶  waiting  ─▶  [item, …] of at most `most`  ─▶  forward, in a thread

- One thread owns the model: calls never overlap, and the event loop stays free.
- `wait` seconds: how long an item that finds the model idle waits for others. By default none:
  under load batches come about by themselves, and without load waiting would only cost.
- Who stopped waiting (a deadline, a closed connection) is left out of its batch.
- An error of `forward` is raised for each of its batch, and the next batch is tried.
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
    """forward: from a list of items to as many results, in their order; runs in a thread."""

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
            except Exception as error:  # whatever the model raises is the askers' affair
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
