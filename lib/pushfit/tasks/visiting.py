"""How often each training record is visited, and which ones together: weights and groups.

A data set gives both as numbers, one for each record of the split `train`, in the order of the
records. Here they become bytes: these are compared, hashed and sent to a trainer without the data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

WEIGHT, GROUP = np.dtype("<f4"), np.dtype("<u4")
MOST_GROUP = 2**32 - 1


class Visiting(msgspec.Struct, frozen=True):
    """The weights and groups of n training records.

    weights: (n,) little-endian float32; empty: every record has the same weight.
    groups: (n,) little-endian uint32; empty: there are no groups.
    """

    weights: bytes = b""
    groups: bytes = b""

    @property
    def digest(self) -> str:
        """A SHA-256 over both; ``""``: there are neither weights nor groups."""
        if not self.weights and not self.groups:
            return ""
        return hashlib.sha256(msgspec.msgpack.encode((self.weights, self.groups))).hexdigest()

    @property
    def never(self) -> int:
        """The number of records of weight 0, which are never visited."""
        weights = np.frombuffer(self.weights, WEIGHT)
        return len(weights) - int(np.count_nonzero(weights))

    @property
    def numbers(self) -> tuple[Sequence[float], Sequence[int]]:
        """(the weights, the groups) as `DataSet` has them, in no further memory."""
        return numbers(self.weights, WEIGHT), numbers(self.groups, GROUP)


def numbers(data: bytes | memoryview, dtype: np.dtype) -> Sequence[Any]:
    """The numbers in `data`, where they stay. Unlike arrays, two of these are equal or not."""
    return np.frombuffer(data, dtype).data if data else ()


def of(weights: Any, groups: Any, records: int) -> Visiting:
    """The weights and groups, as a task gives them, of so many training records.

    Raises ValueError, whose text says what they are instead: "3 weights for …".
    """
    return Visiting(_weights(weights, records), _groups(groups, records))


def of_bytes(weights: bytes, groups: bytes, records: int) -> Visiting:
    """The weights and groups that another host has sent. Raises ValueError as `of` does."""
    return of(np.frombuffer(weights, WEIGHT), np.frombuffer(groups, GROUP), records)


def _weights(given: Any, records: int) -> bytes:
    numbers = _numbers(given, "weights", "biuf", records)
    with np.errstate(over="ignore"):
        values = numbers.astype(WEIGHT)
    wrong = np.flatnonzero(~np.isfinite(values) | (values < 0))
    if len(wrong):
        raise ValueError(
            f"the weight {numbers[wrong[0]]} for training record {wrong[0]}: a weight must be a "
            "number from 0 to 3.4e38"
        )
    if len(values) and not values.any():
        raise ValueError(
            "weights that are all 0, so that no record would be visited: give one that is more"
        )
    return values.tobytes()


def _groups(given: Any, records: int) -> bytes:
    numbers = _numbers(given, "groups", "iu", records)
    wrong = np.flatnonzero((numbers < 0) | (numbers > MOST_GROUP))
    if len(wrong):
        raise ValueError(
            f"the group {numbers[wrong[0]]} for training record {wrong[0]}: a group must be a "
            f"whole number from 0 to {MOST_GROUP:,}"
        )
    return numbers.astype(GROUP).tobytes()


def _numbers(given: Any, what: str, kinds: str, records: int) -> np.ndarray:
    """(records,) or (0,) `given` as an array of one of these kinds of dtype."""
    try:
        numbers = np.asarray(given)
    except (TypeError, ValueError):  # lists of several lengths
        numbers = np.empty((), object)
    if not numbers.size and numbers.ndim == 1:
        return np.empty(0, np.uint32)
    if numbers.ndim != 1 or numbers.dtype.kind not in kinds:
        form = "numbers" if "f" in kinds else "whole numbers"
        raise ValueError(f"{what} that are not a sequence of {form}, one for each training record")
    if len(numbers) != records:
        raise ValueError(
            f"{len(numbers):,} {what} for {records:,} training records: give one for each, in the "
            "order of the records"
        )
    return numbers
