"""What an adapter needs of a stream: passes over its splits, and what a batch looks like."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import numpy as np

from pushfit.feed.feed import Batch
from pushfit.feed.passes import Ahead, Pass
from pushfit.tasks.base import ArraySpec
from pushfit.tasks.trimming import Shape


class Reading(msgspec.Struct, frozen=True):
    """How batches of a stream are read.

    begin: begin(split, by, ahead) is the next pass over a split, taken by a framework named `by`.
        It raises StreamError.
    used: used(batch) says that a batch was used which was given to a reader that reads ahead.
    steps: steps(split) is the number of batches in an epoch; left(split) is that of the next pass
        by a framework that reads ahead.
    sizes: sizes(split) are the numbers of samples that its batches have.
    counted: counted() is True where somebody calls `used` for a reader that cannot tell.
    arrays: of one sample, of declared shape.
    shapes: their shapes within batches; None: an axis of any length. An array without one has the
        declared shape.
    """

    begin: Callable[[str, str, Ahead], Pass]
    used: Callable[[Batch], None]
    steps: Callable[[str], int]
    left: Callable[[str], int]
    sizes: Callable[[str], Sequence[int]]
    counted: Callable[[], bool]
    arrays: tuple[ArraySpec, ...]
    shapes: Mapping[str, Shape] = {}


def plain(reading: Reading, split: str, by: str) -> Iterator[dict[str, np.ndarray]]:
    """One pass over `split`, by a loop that takes a batch when it has used the one before."""
    one = reading.begin(split, by, Ahead.NO)
    try:
        for batch in one:
            yield dict(batch.arrays)
    finally:
        one.close()
