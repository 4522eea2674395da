"""The leases of one segment that still have samples to give, and the copy of these into batches.

- Rows are numbered visit · K + patch, visits in the order of delivery. In exact order that is the
  order of the epoch; in arrival order it is not, so `take` also tells each row's true place.
- One copy is made: from ZeroMQ's receive buffer into the batch. Rows that lie side by side go as
  one; of the others, small ones go with two vectorised copies a lease, which for samples of a
  kilobyte is ten times faster than a step of Python a row, and large ones row by row.
- A lease's buffer is let go with its last sample, and nothing is kept of it then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from lib.plan.batches import Start
from lib.plan.leases import Lease
from lib.plan.order import Segment
from lib.tasks.base import ArraySpec
from lib.trainer.buffers import Buffers
from lib.trainer.exchange import Delivery

SMALL_ROW = 8192  # bytes of a sample's array: below it, copying twice beats a step of Python a row

Arrays = dict[str, np.ndarray]


class _Held(msgspec.Struct, eq=False):
    """delivery: None once its last sample is taken; left: samples still to take."""

    delivery: Delivery | None
    left: int


class Window:
    """deliveries: of the whole stream, this segment's next; handed: told of each lease used up;
    bad: gets the visits whose record was substituted; start: where the stream begins in it."""

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

    def take(self, rows: np.ndarray, specs: Sequence[ArraySpec]) -> tuple[Arrays, np.ndarray]:
        """Copies of `rows`, in that order: {name: (len(rows), *shape)}, and their places.

        A lease is waited for when its first row is due, not before: a batch may be larger than the
        budget, and what was copied from makes room.
        """
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
        """Take in what is left of the segment. After a restart near its end there may be leases all
        of whose samples were trained before: no batch waits for them, but the next segment must not
        find them."""
        self._await(self._segment.samples - 1)

    def _copy(self, rows: np.ndarray, batch: list[np.ndarray], places: np.ndarray) -> None:
        """Fill `batch` and `places` from deliveries that are all here, lease by lease."""
        numbers = np.searchsorted(self._firsts, rows, side="right") - 1
        order = np.argsort(numbers, kind="stable")
        ordered = numbers[order]
        cuts = np.flatnonzero(np.diff(ordered)) + 1
        for start, stop in zip([0, *cuts.tolist()], [*cuts.tolist(), len(rows)], strict=True):
            number, where = int(ordered[start]), order[start:stop]
            held = self._held[number] if number >= 0 else None
            if held is None or held.delivery is None:
                raise RuntimeError(f"row {rows[where[0]]} was taken twice")
            low = rows[where] - self._firsts[number]
            for into, array in zip(batch, held.delivery.arrays, strict=True):
                _copy_rows(array, low, into, where)
            places[where] = held.delivery.lease.start * self._segment.patches + low
            held.left -= len(where)
            if not held.left:
                self._handed(held.delivery.lease)
                held.delivery = None
        done = next((n for n, held in enumerate(self._held) if held.left), len(self._held))
        del self._held[:done], self._firsts[:done]

    def _await(self, row: int) -> None:
        while self._rows <= row:
            delivery = next(self._deliveries)
            samples = delivery.lease.count * self._segment.patches
            left = samples
            if len(self._taken):  # only in exact order, where visits come as they are numbered
                low = delivery.lease.start - self._first
                left -= int(self._taken[low : low + delivery.lease.count].sum())
            self._firsts.append(self._rows)
            self._held.append(_Held(delivery if left else None, left))
            self._rows += samples
            self._bad += [bad.visit for bad in delivery.bad]
            if not left:
                self._handed(delivery.lease)


def _copy_rows(array: np.ndarray, low: np.ndarray, into: np.ndarray, where: np.ndarray) -> None:
    """into[where] = array[low]; `where` ascends."""
    first, start, count = int(low[0]), int(where[0]), len(low)
    if where[-1] - start == count - 1 and (np.diff(low) == 1).all():
        into[start : start + count] = array[first : first + count]
    elif array.nbytes <= SMALL_ROW * len(array):
        into[where] = array[low]
    else:
        for row, here in zip(low.tolist(), where.tolist(), strict=True):
            into[here] = array[row]
