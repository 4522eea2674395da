"""The arrays of a lease that came over the wire: checked against the task's, without a copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pushfit.errors import ProtocolError
from pushfit.tasks.base import ArraySpec
from pushfit.wire import compression
from pushfit.wire.protocol import Data


class ArrayLayout:
    """What the frames of a lease must hold. specs: the arrays of a sample, as the task declares."""

    def __init__(self, specs: Sequence[ArraySpec]) -> None:
        self.specs = tuple(specs)
        self._each = [(spec, np.dtype(spec.dtype), spec.nbytes) for spec in self.specs]

    def arrays(self, header: Data, frames: Sequence[Any], patches: int) -> tuple[np.ndarray, ...]:
        """The arrays of a lease, (count·K, *shape) each. Raw frames are not copied, only viewed.

        patches: K, the number of samples of a visit.
        Raises ProtocolError unless names, dtypes, shapes and byte counts are exactly the run's.
        """
        frames = self._raw(header, frames, header.count * patches)
        if header.arrays != self.specs or len(frames) != len(self.specs):
            raise ProtocolError(f"lease {header.lease}: its arrays are not those of this task")
        rows = header.count * patches
        arrays = []
        for (spec, dtype, nbytes), frame in zip(self._each, frames, strict=True):
            if len(frame) != rows * nbytes:
                raise ProtocolError(
                    f"lease {header.lease}: {spec.name} has {len(frame)} bytes, not {rows} "
                    f"samples of {nbytes}"
                )
            arrays.append(np.ndarray((rows, *spec.shape), dtype, frame))
        return tuple(arrays)

    def _raw(self, header: Data, frames: Sequence[Any], rows: int) -> Sequence[Any]:
        if not any(header.packed):
            return frames
        if not len(header.packed) == len(frames) == len(self.specs):
            raise ProtocolError(
                f"lease {header.lease}: `packed` does not have one entry for each array"
            )
        raw = []
        for (spec, _, nbytes), how, frame in zip(self._each, header.packed, frames, strict=True):
            if how:
                frame = compression.unpack(frame, spec, rows, rows * nbytes)
            raw.append(frame)
        return raw
