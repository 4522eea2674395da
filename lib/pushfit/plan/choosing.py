"""Which records a pass visits if they have weights, and how a pass is ordered group by group.

- **Systematic resampling** (Kitagawa, 1996): the records lie side by side on a line, each as long
  as its expected number of visits, and are visited once for each of the points u, u + 1, u + 2, …
  that it holds. One random number u in [0, 1) decides a pass. So a record comes as often as
  expected, rounded down or up, and not more by chance.
- **Groups**: they are shuffled and taken some at a time; the records of these are shuffled
  together. So a disk or an archive is read nearly in order.
"""

from __future__ import annotations

import numpy as np

from pushfit.tasks.visiting import GROUP, WEIGHT


def chosen(weights: bytes, offset: float) -> np.ndarray:
    """(n,) int64, ascending: the records that a pass over n records visits.

    weights: of the n records, as `Visiting` has them. offset: in [0, 1).
    """
    # A cumulative sum adds from left to right, where `sum` may add in any order. So it has the same
    # bits on every CPU.
    ends = np.cumsum(np.frombuffer(weights, WEIGHT), dtype=np.float64)
    count, total = len(ends), ends[-1]
    last = int(np.searchsorted(ends, total))  # the last record that is longer than nothing
    ends *= count / total
    ends[last:] = np.inf  # rounding may have moved its end to the left of the last point
    return np.searchsorted(ends, offset + np.arange(count), side="right").astype(np.int64)


def grouped(
    groups: bytes, records: np.ndarray, together: int, rng: np.random.Generator
) -> np.ndarray:
    """The shuffled `records` of a pass, put into the order of their groups.

    groups: of all records, as `Visiting` has them.
    together: the number of groups whose records stay shuffled together.
    """
    _, numbers = np.unique(np.frombuffer(groups, GROUP)[records], return_inverse=True)
    turns = rng.permutation(int(numbers.max()) + 1) // together
    return records[np.argsort(turns[numbers], kind="stable")]
