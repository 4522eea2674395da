"""Checks of a generator's result against its lease, the data set and the task.

A generator that lies, or whose memory is defective, must not end the run or have good records
substituted. A result that fails a check raises a `ProtocolError`, which counts against the peer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pushfit.errors import ProtocolError
from pushfit.plan.leases import Lease
from pushfit.plan.order import Plan
from pushfit.wire import protocol as wire

Limits = Mapping[str, tuple[float, float]]


class _Files(NamedTuple):
    """The part of the data set's listing that belongs to a split."""

    first: int
    size: int


class Claims:
    """The checks of one run.

    counts: {split: number of records of each class}.
    listing: the files of the data set, as `compatibility.listing` returns them; empty: not known.
    limits: {array: (least, most)}: the values that samples may have (`tasks.checks.limits`).
    partners: samples may be made of several records.
    """

    def __init__(
        self,
        plan: Plan,
        counts: Mapping[str, Sequence[int]],
        listing: Sequence[str],
        limits: Limits,
        *,
        partners: bool = False,
    ) -> None:
        self._partners = partners
        self._plan, self._listing, self._limits = plan, listing, limits
        self._files: dict[str, _Files] = {}
        first = 0
        for split in sorted(counts):
            self._files[split] = _Files(first, sum(counts[split]))
            first += sum(counts[split])

    def check(self, lease: Lease, header: wire.Data, arrays: Sequence[np.ndarray]) -> None:
        """Raise ProtocolError if the result does not fit the lease, the data set or the task."""
        if header.bad:
            self._check_bad(lease, header.bad)
        for spec, array in zip(header.arrays, arrays, strict=True):
            if array.dtype == bool and array.size and array.view(np.uint8).max() > 1:
                raise ProtocolError(f"lease {lease.id}: {spec.name!r} has bytes that are not bools")
            limits = self._limits.get(spec.name)
            if limits and array.size and not _within(array, *limits):
                raise ProtocolError(
                    f"lease {lease.id}: values of {spec.name!r} from {array.min()} to "
                    f"{array.max()}, where this task has {limits[0]:g} to {limits[1]:g}"
                )

    def _check_bad(self, lease: Lease, bad: Sequence[wire.Bad]) -> None:
        segment, split = lease.segment, lease.segment.split
        records = self._plan.records(segment)[lease.start : lease.start + lease.count]
        named = [(one.visit, one.record if one.partner else -1) for one in bad]
        if len(set(named)) < len(named):
            raise ProtocolError(f"lease {lease.id} names a bad visit twice")
        for one in bad:
            if not lease.start <= one.visit < lease.start + lease.count:
                raise ProtocolError(f"lease {lease.id} names a bad visit that it does not have")
            if one.partner:
                if not self._partners or one.redrawn or one.record >= self._files[split].size:
                    raise ProtocolError(f"lease {lease.id} names a partner that no visit can have")
            elif one.record != records[one.visit - lease.start]:
                raise ProtocolError(f"lease {lease.id}: visit {one.visit} is to another record")
            if one.path != (path := self._path(split, one.record) or one.path):
                raise ProtocolError(
                    f"lease {lease.id}: record {one.record} of {split} is {path}, not {one.path}"
                )
            if one.redrawn > segment.patches:
                raise ProtocolError(f"lease {lease.id}: a visit has {segment.patches} samples")

    def _path(self, split: str, record: int) -> str:
        """The path of `record`; ``""``: it is not known."""
        files = self._files[split]
        if record >= files.size or files.first + record >= len(self._listing):
            return ""
        return self._listing[files.first + record].rpartition("\t")[0]


def _within(array: np.ndarray, least: float, most: float) -> bool:
    """Return whether all values lie between the two, at the precision of the array; nan does not.

    In a small float a large limit rounds to infinity; an infinite value is not within it.
    """
    low, high = array.min(), array.max()
    with np.errstate(over="ignore"):
        if not least <= low <= high <= most:
            return False
    return all(math.isfinite(x) or math.isinf(limit) for x, limit in ((low, least), (high, most)))
