"""Training on whole batches alone (`--drop-last`): what does not fill the last one is left out."""

from __future__ import annotations

import msgspec

from pushfit.errors import DataError
from pushfit.plan.order import SplitOrder
from pushfit.streams.purpose import Counts, Purpose
from pushfit.tasks.base import TRAIN
from pushfit.tasks.visiting import Visiting
from pushfit.text import counted


def only_whole_batches(purpose: Purpose, batch_size: int) -> Purpose:
    """`purpose`, whose training drops a last batch that is smaller than `batch_size`.

    Its `orders` then also raise DataError where an epoch has no whole batch.
    """

    def orders(counts: Counts, visiting: Visiting) -> dict[str, SplitOrder]:
        found = purpose.orders(counts, visiting)
        if TRAIN in found:
            check_filled(found[TRAIN].visits * found[TRAIN].patches, batch_size)
            found[TRAIN] = msgspec.structs.replace(found[TRAIN], drop_last=True)
        return found

    return msgspec.structs.replace(purpose, orders=orders)


def check_filled(samples: int, batch_size: int) -> None:
    """Raise DataError if an epoch of `samples` does not fill a batch."""
    if samples < batch_size:
        raise DataError(
            f"--drop-last leaves out a last batch that is not whole, and an epoch of training has "
            f"only {counted(samples, 'sample')}, fewer than --batch-size {batch_size}: give a "
            "smaller --batch-size, or leave --drop-last out"
        )
