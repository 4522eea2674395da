"""Random mirroring, for tasks in which a mirrored image is as good as the image itself."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

Flip = Annotated[
    Literal["none", "horizontal", "vertical", "both"],
    Meta(
        description="Mirror half of the training images: horizontal, left to right; vertical, "
        "upside down; both: each half by itself."
    ),
]
AXES = {"none": (), "horizontal": (2,), "vertical": (1,), "both": (2, 1)}  # axes of (n, y, x, …)


def mirrored(images: np.ndarray, axes: tuple[int, ...], drawn: np.ndarray) -> np.ndarray:
    """The images, each mirrored along the axes for which its number is below 0.5.

    images: (n, y, x, …).
    drawn: (n, len(axes)) numbers from 0 to 1.
    """
    for axis, numbers in zip(axes, drawn.T, strict=True):
        chosen = (numbers < 0.5).reshape(-1, *(1 for _ in images.shape[1:]))
        images = np.where(chosen, np.flip(images, axis), images)
    return images
