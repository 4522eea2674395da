"""Weights of records: how often training visits each, relative to the others.

They travel with the counts of a data set, since a trainer may be without the data: as float32,
compressed, as most data sets have few different weights.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from pushfit.errors import ConfigError

MOST_BYTES = 64 * 2**20  # of packed weights


def mixture(sources: Sequence[Hashable], shares: Mapping[Hashable, float]) -> np.ndarray:
    """The weights by which each source gets its share of the visits, however many records it has.

    sources: for each record of the training split, which source it is of.
    shares: {source: its share}; they need not add up to 1. A source of share 0 is never visited.
    Returns (n,) float32, for `DataSet.weights`. Raises ConfigError where the two do not match.
    """
    counts: dict[Hashable, int] = {}
    for source in sources:
        counts[source] = counts.get(source, 0) + 1
    for source in counts:
        if source not in shares:
            raise ConfigError(f"there are records of {source!r}, and shares has no share for it")
    for source, share in shares.items():
        if not 0 <= share < float("inf"):
            raise ConfigError(f"the share of {source!r} is {share!r}: it must be 0 or more")
        if share and source not in counts:
            raise ConfigError(
                f"{source!r} has a share of {share:g}, and there are no records of it: leave it out"
            )
    each = {source: shares[source] / count for source, count in counts.items()}
    return np.array([each[source] for source in sources], np.float32)


def complaint(weights: Sequence[float] | np.ndarray, records: int) -> str:
    """Why `weights` cannot be those of `records` records; ``""``: they can."""
    try:
        array = np.asarray(weights, np.float32)
    except (TypeError, ValueError):
        return "weights must be numbers"
    if array.shape != (records,):
        shape = f"{array.size:,} weights" if array.ndim == 1 else f"weights of shape {array.shape}"
        return f"it has {shape} for the {records:,} records of train: give one for each"
    if not np.isfinite(array).all() or (array < 0).any():
        row = int(np.flatnonzero(~np.isfinite(array) | (array < 0))[0])
        return f"the weight of record {row} is {array[row]!s}: it must be 0 or more, and finite"
    if not array.any():
        return "all weights are 0, so nothing would be visited"
    return ""


def pack(weights: Sequence[float] | np.ndarray) -> bytes:
    """`weights` as they travel; empty: there are none."""
    return zlib.compress(np.asarray(weights, "<f4").tobytes(), 1) if len(weights) else b""


def unpack(packed: bytes, records: int) -> np.ndarray:
    """(records,) float32. Raises ValueError, in words, where that is not what is packed."""
    inflate, size = zlib.decompressobj(), 4 * records
    try:
        data = inflate.decompress(packed, size + 1)
    except zlib.error as error:
        raise ValueError(f"its weights do not unpack: {error}") from error
    if len(data) != size or not inflate.eof:
        raise ValueError(f"it does not have one weight for each of {records:,} records")
    weights = np.frombuffer(data, "<f4")
    if wrong := complaint(weights, records):
        raise ValueError(wrong)
    return weights
