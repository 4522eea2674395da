"""Weights for a data set that is made of several sources, each of which gets a share of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from pushfit.errors import TaskError


def mixture(
    sources: Sequence[str | int] | np.ndarray, shares: Mapping[str | int, float]
) -> np.ndarray:
    """The weights of a mixture, for `DataSet.weights`: each source gets its share of the visits.

    sources: for each training record, the name or number of its source.
    shares: {source: its share}, such as 0.7 or 70; only their ratios count. A source of share 0 is
        never visited.

    Returns (n,) float32. Their mean is 1, so a weight is the number of visits that a record can
    expect in an epoch. Records of one source have equal weights.

    Raises TaskError if a source has no share, a share has no records, or a share is not a number of
    0 or more.
    """
    named = sources.tolist() if isinstance(sources, np.ndarray) else list(sources)
    sizes = Counter(named)
    for source, share in shares.items():
        if not math.isfinite(share) or share < 0:
            raise TaskError(f"mixture: the share of {source!r} is {share}: give 0 or more")
        if share and not sizes[source]:
            raise TaskError(
                f"mixture: no record is of {source!r}, so that it cannot have its share of "
                f"{share}: leave it out, or correct its name (there are {_some(sizes)})"
            )
    if missing := [source for source in sizes if source not in shares]:
        raise TaskError(
            f"mixture: the source {missing[0]!r} has records and no share: give it one, 0 to leave "
            "its records out"
        )
    total = sum(shares.values())
    if not total:
        raise TaskError("mixture: no source has a share above 0: give one to each that is wanted")
    each = {
        source: len(named) * shares[source] / (total * count) for source, count in sizes.items()
    }
    return np.fromiter((each[source] for source in named), np.float32, len(named))


def _some(sizes: Counter[str | int]) -> str:
    names = [repr(source) for source in sizes]
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "") or "none at all"
