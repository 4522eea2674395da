"""The arrays of a lease, as they come over the wire: held to what the task declares, not copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pushfit.errors import ProtocolError
from pushfit.tasks.base import ArraySpec
from pushfit.wire import compression
from pushfit.wire.protocol import Data


class ArrayLayout:
    """The arrays of a task's samples. specs: as the task declares them."""

    def __init__(self, specs: Sequence[ArraySpec]) -> None:
        self.specs = tuple(specs)
        self._each = [(spec, np.dtype(spec.dtype), spec.nbytes) for spec in self.specs]

    def arrays(self, header: Data, frames: Sequence[Any], patches: int) -> tuple[np.ndarray, ...]:
        """The lease's arrays, (count·K, *shape) each: views into raw `frames`, no copy.

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
                f"lease {header.lease}: it says of other arrays how they are packed"
            )
        raw = []
        for (spec, _, nbytes), how, frame in zip(self._each, header.packed, frames, strict=True):
            if how:
                frame = compression.unpack(frame, spec, rows, rows * nbytes)
            raw.append(frame)
        return raw
