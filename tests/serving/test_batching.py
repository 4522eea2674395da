"""What waits while the model computes makes the next batch; nobody gets another's answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pushfit.serving.batching import Batcher

Body = Callable[[Batcher[int, int]], Coroutine[Any, Any, None]]


def serve(
    body: Body, forward: Callable[[list[int]], list[int]], most: int = 4, wait: float = 0.0
) -> None:
    async def run() -> None:
        with ThreadPoolExecutor(1) as thread:
            batcher: Batcher[int, int] = Batcher(forward, thread, most=most, wait=wait)
            running = asyncio.create_task(batcher.run())
            try:
                await asyncio.wait_for(body(batcher), 10)
            finally:
                running.cancel()

    asyncio.run(run())


class Slow:
    """Twice the item, when it is let go; remembers the batches."""

    def __init__(self) -> None:
        self.go, self.batches = threading.Event(), list[list[int]]()

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.go.wait(10)
        return [2 * item for item in items]


def test_what_waits_goes_into_one_call() -> None:
    slow = Slow()

    async def body(batcher: Batcher[int, int]) -> None:
        asked = [asyncio.create_task(batcher.ask(0))]
        while not slow.batches:
            await asyncio.sleep(0.001)
        asked += [asyncio.create_task(batcher.ask(item)) for item in range(1, 8)]
        await asyncio.sleep(0)
        slow.go.set()
        assert await asyncio.gather(*asked) == [2 * item for item in range(8)]

    serve(body, slow)
    assert slow.batches == [[0], [1, 2, 3, 4], [5, 6, 7]]


def test_the_first_waits_for_others_but_not_when_the_batch_is_full() -> None:
    slow = Slow()
    slow.go.set()

    async def few(batcher: Batcher[int, int]) -> None:
        async def later() -> int:
            await asyncio.sleep(0.02)
            return await batcher.ask(2)

        assert await asyncio.gather(batcher.ask(1), later()) == [2, 4]

    async def enough(batcher: Batcher[int, int]) -> None:
        await asyncio.gather(*map(batcher.ask, range(4)))

    serve(few, slow, wait=0.9)
    serve(enough, slow, wait=60.0)
    assert slow.batches == [[1, 2], [0, 1, 2, 3]]


def test_who_stopped_waiting_is_left_out() -> None:
    slow = Slow()

    async def body(batcher: Batcher[int, int]) -> None:
        asked = [asyncio.create_task(batcher.ask(item)) for item in range(3)]
        while not slow.batches:
            await asyncio.sleep(0.001)
        asked += [asyncio.create_task(batcher.ask(item)) for item in (7, 8)]
        await asyncio.sleep(0)
        asked[0].cancel()
        asked[3].cancel()
        slow.go.set()
        assert await asked[4] == 16
        assert await asyncio.gather(*asked[1:3]) == [2, 4]

    serve(body, slow)
    assert slow.batches == [[0, 1, 2], [8]]


def test_an_error_is_told_to_its_batch_and_the_next_is_tried() -> None:
    def forward(items: list[int]) -> list[int]:
        if 13 in items:
            raise RuntimeError("unlucky")
        return items

    async def body(batcher: Batcher[int, int]) -> None:
        with pytest.raises(RuntimeError, match="unlucky"):
            await batcher.ask(13)
        assert await batcher.ask(5) == 5

    serve(body, forward)
