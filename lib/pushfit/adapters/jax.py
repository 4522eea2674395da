"""Batches for JAX: arrays on the device, with further ones on their way to it.

A batch that is on its way when the loop ends was not used: the position of the stream counts what
the loop was given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import jax

from pushfit.adapters.reading import Reading
from pushfit.feed.feed import Batch
from pushfit.feed.passes import Ahead

BY = "JAX"


def batches(
    reading: Reading,
    split: str,
    *,
    sharding: Any = None,
    in_flight: int = 2,
) -> Iterator[dict[str, jax.Array]]:
    """One pass over `split`, as {array name: array (B, *shape)}.

    sharding: where the arrays lie, as `jax.device_put` takes it; None: the default device.
    in_flight: batches whose transfer to the device has begun before they are wanted; at least 1.
    """
    one = reading.begin(split, BY, Ahead.COUNTED)
    waiting: deque[tuple[Batch, dict[str, jax.Array]]] = deque()
    try:
        while True:
            while len(waiting) < max(1, in_flight) and (batch := next(one, None)) is not None:
                waiting.append((batch, jax.device_put(dict(batch.arrays), sharding)))
            if not waiting:
                return
            batch, arrays = waiting.popleft()
            reading.used(batch)
            yield arrays
    finally:
        one.close()
