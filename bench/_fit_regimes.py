"""What `bench fit` trains: imports nothing heavy, so that both its ends can know it."""

from __future__ import annotations

from typing import NamedTuple


class Regime(NamedTuple):
    patch: int
    batch: int
    filters: int  # of a small convolutional network; 0: it looks at one corner and no further
    stride: int  # of its first layer


REGIMES = {
    "64px": Regime(64, 32, 16, 2),
    "224px": Regime(224, 32, 8, 4),
    "28px": Regime(28, 128, 8, 1),
    "trivial": Regime(256, 32, 0, 1),  # 6 MB batches: the feed's own ceiling
}
CORES = ("one", "all")
