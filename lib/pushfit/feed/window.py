"""Holds the leases of one segment whose samples are not all used, and copies these into batches.

- The number of a row is visit · K + patch, with visits in the order of delivery. In exact order
  this is the order of the epoch. In order of arrival, and if a stored epoch is used again, it is
  not, so `take` also returns each row's place in the epoch.
- Each sample is copied once, from ZeroMQ's receive buffer or a file in memory into the batch. Large
  samples are copied one by one, in one call for all. Small samples are copied lease by lease:
  adjacent rows in one copy, other rows in two vectorised copies for each lease. For samples of a
  kilobyte that is ten times faster than a step of Python for each row.
- The buffer of a lease is freed with its last sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from pushfit.feed.buffers import Buffers
from pushfit.feed.source import Delivery
from pushfit.plan.batches import Start
from pushfit.plan.leases import Lease
from pushfit.plan.order import Segment
from pushfit.tasks.base import ArraySpec

SMALL_ROW = 1024  # bytes: two copies of a smaller row are faster than a step of Python for it
SMALL_SAMPLE = 4096  # bytes: sorting rows of larger samples by lease costs more than it saves

Arrays = dict[str, np.ndarray]


class _Held(msgspec.Struct, eq=False):
    """A delivery whose samples are not all used.

    delivery: None when all of its samples are used.
    left: the number of samples that are not used.
    place: the place of its first sample.
    rows: for large samples, each of the arrays, as a list of rows unless its rows are small.
    """

    delivery: Delivery | None
    left: int
    place: int
    rows: list[Any] = []


class Window:
    """The window over one segment.

    deliveries: those of the whole stream; the next one is the first of this segment.
    handed: called with each lease whose samples are all used.
    bad: a list, to which the visits with a substituted record are added.
    start: where the stream begins in this segment.
    """

    def __init__(
        self,
        deliveries: Iterator[Delivery],
        segment: Segment,
        handed: Callable[[Lease], None],
        bad: list[int],
        start: Start,
        buffers: Buffers,
    ) -> None:
        self._deliveries, self._segment = deliveries, segment
        self._handed, self._bad, self._buffers = handed, bad, buffers
        self._firsts: list[int] = []  # first row of each delivery that is held
        self._held: list[_Held] = []
        self._rows = start.visit * segment.patches  # rows delivered so far
        self._taken, self._first = start.taken, start.visit  # by the batches before the start

    def take(
        self, rows: np.ndarray, specs: Sequence[ArraySpec], *, ahead: bool = False
    ) -> tuple[Arrays, np.ndarray]:
        """Copy `rows`, in that order.

        rows: (n,) int64, numbers of rows.
        specs: the arrays of a sample.
        ahead: wait for all leases first, which takes fewer steps; for a source without a budget.
        Returns {name: (n, *shape)} and their places, (n,) int64.

        Without `ahead` a lease is waited for when its first row is copied, not before. A batch may
        be larger than the budget, and leases that were copied make room.
        """
        if ahead:
            self._await(int(rows.max()))
        batch = [self._buffers.empty((len(rows), *spec.shape), spec.dtype) for spec in specs]
        places = np.empty(len(rows), np.int64)
        start = 0
        while start < len(rows):
            self._await(int(rows[start]))
            beyond = rows[start:] >= self._rows
            stop = start + int(beyond.argmax()) if beyond.any() else len(rows)
            into = [array[start:stop] for array in batch]
            self._copy(rows[start:stop], into, places[start:stop])
            start = stop
        return {spec.name: array for spec, array in zip(specs, batch, strict=True)}, places

    def drain(self) -> None:
        """Take the remaining deliveries of the segment, and free samples that are in no batch.

        After a restart near the end of a segment there may be leases whose samples were all trained
        on before, and samples that do not fill a batch may be dropped. No batch waits for them, but
        the next segment must not get them. They may be more than the budget holds, so each lease
        is freed before the next one is waited for.
        """
        self._free()
        while self._rows < self._segment.samples:
            self._await(self._rows)
            self._free()

    def _free(self) -> None:
        for one in self._held:
            if one.left:
                one.left = 0
                self._used_up(one)
        self._held.clear()
        self._firsts.clear()

    def _copy(self, rows: np.ndarray, batch: list[np.ndarray], places: np.ndarray) -> None:
        """Fill `batch` and `places`. All deliveries that they need have arrived."""
        firsts = np.array(self._firsts)
        numbers = firsts.searchsorted(rows, side="right") - 1
        low, high = int(numbers.min()), int(numbers.max()) + 1
        held = self._held[max(low, 0) : high]
        counts = np.bincount(numbers - low, minlength=len(held)).tolist()
        if low < 0 or any(n > one.left for n, one in zip(counts, held, strict=True)):
            raise RuntimeError(f"some of the rows {rows.tolist()} were taken before")
        within = rows - firsts[numbers]
        places[:] = np.array([one.place for one in held])[numbers - low] + within
        if self._segment.sample_bytes > SMALL_SAMPLE and len(held) > 1:
            self._copy_alone(rows - firsts[low], within, numbers - low, held, batch)
        else:
            self._copy_by_lease(within, numbers, batch)
        for one, count in zip(held, counts, strict=True):
            one.left -= count
            if count and not one.left:
                self._used_up(one)
        done = next((n for n, one in enumerate(self._held) if one.left), len(self._held))
        del self._held[:done], self._firsts[:done]

    def _copy_alone(
        self,
        rows: np.ndarray,
        within: np.ndarray,
        numbers: np.ndarray,
        held: list[_Held],
        batch: list[np.ndarray],
    ) -> None:
        """Copy row by row.

        rows: numbers of the rows, counted from the first one in `held`.
        within: numbers of the rows within their leases.
        numbers: the position of each row's lease in `held`.
        """
        pairs = list(zip(numbers.tolist(), within.tolist(), strict=True))
        for position, into in enumerate(batch):
            parts = [one.rows[position] for one in held]
            if isinstance(parts[0], list):
                flat = into.reshape(-1, *into.shape[2:])
                np.concatenate([parts[number][row] for number, row in pairs], out=flat)
            else:
                np.take(np.concatenate(parts), rows, axis=0, out=into, mode="clip")

    def _copy_by_lease(
        self, rows: np.ndarray, numbers: np.ndarray, batch: list[np.ndarray]
    ) -> None:
        """Copy with a few vectorised steps for each lease.

        rows: numbers of the rows within their leases.
        numbers: the position of each row's lease in the window.
        """
        order = np.argsort(numbers, kind="stable")
        ordered = numbers[order]
        cuts = (np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist()
        for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True):
            delivery, where = self._held[int(ordered[start])].delivery, order[start:stop]
            assert delivery is not None  # there is something left of it
            for into, array in zip(batch, delivery.arrays, strict=True):
                _copy_rows(array, rows[where], into, where)

    def _await(self, row: int) -> None:
        while self._rows <= row:
            delivery = next(self._deliveries)
            samples = delivery.lease.count * self._segment.patches
            left = samples
            if len(self._taken):  # never in order of arrival: such a stream starts with an epoch
                low = self._rows // self._segment.patches - self._first
                left -= int(self._taken[low : low + delivery.lease.count].sum())
            self._firsts.append(self._rows)
            place = delivery.lease.start * self._segment.patches
            held = _Held(delivery, left, place)
            if self._segment.sample_bytes > SMALL_SAMPLE:
                held.rows = [a if a[0].nbytes <= SMALL_ROW else list(a) for a in delivery.arrays]
            self._held.append(held)
            self._rows += samples
            self._bad += [bad.visit for bad in delivery.bad if bad.substituted]
            if not left:
                self._used_up(held)

    def _used_up(self, held: _Held) -> None:
        """Free the buffer. Copies of small rows stay, since `_copy_alone` may still index them."""
        assert held.delivery is not None
        self._handed(held.delivery.lease)
        held.delivery = None
        held.rows = [[] if isinstance(rows, list) else rows.copy() for rows in held.rows]


def _copy_rows(array: np.ndarray, low: np.ndarray, into: np.ndarray, where: np.ndarray) -> None:
    """into[where] = array[low]; `where` ascends."""
    first, start, count = int(low[0]), int(where[0]), len(low)
    side_by_side = where[-1] - start == count - 1
    if side_by_side and low[-1] - first == count - 1 and (low[1:] - low[:-1] == 1).all():
        into[start : start + count] = array[first : first + count]
    elif side_by_side:  # written in place; with "raise" numpy would use a buffer
        np.take(array, low, axis=0, out=into[start : start + count], mode="clip")
    else:
        into[where] = array[low]
