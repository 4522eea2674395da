"""Pictures for models."""

from __future__ import annotations

import numpy as np


def patches(count=4, side=32, channels=3):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, channels), dtype=np.uint8)
