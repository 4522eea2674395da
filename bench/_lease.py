"""One lease by a generator's own `Maker`, as it is sent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pushfit.errors import DataError
from pushfit.generator.control import Control
from pushfit.generator.maker import Maker
from pushfit.tasks.base import TRAIN
from pushfit.wire.protocol import Grant


def made(
    maker: Maker, records: Sequence[int], *, epoch: int = 0, first: int = 0
) -> list[np.ndarray]:
    """The arrays of the training visits from `first` on, of these records. Raises DataError."""
    lease = maker.make(Grant(0, 0, TRAIN, epoch, first, [*records], []), (), Control())
    if lease.bad:
        raise DataError(f"a record went bad: {lease.bad[0]}")
    return lease.arrays
