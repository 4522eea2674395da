"""An example of your own task: labelled photos with three kinds of augmentation.

    python train_zmq.py --task examples/photos.py --links DIR --generators 2

DIR/train/CLASS/*.jpg are the photos (docs/your-own-task.md). Training photos are mirrored by
chance, made lighter or darker, and a square of each is hidden.
"""

from typing import Annotated

import numpy as np
from msgspec import Meta

from pushfit.tasks.labelled import LabelledImages, LabelledParams


class PhotosParams(LabelledParams, frozen=True, kw_only=True):
    light: Annotated[
        float,
        Meta(ge=0, le=1, description="Largest change of a photo's brightness, as a share of it."),
    ] = 0.2
    hidden: Annotated[
        int, Meta(ge=0, description="Side of the square that is hidden in each photo, in pixels.")
    ] = 8


class Photos(LabelledImages):
    name = "photos"
    Params = PhotosParams

    def augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if rng.random() < 0.5:
            image = image[:, ::-1]
        light = 1 + self.params.light * rng.uniform(-1, 1)
        image = np.clip(image * light, 0, 255).astype(np.uint8)
        hidden = min(self.params.hidden, self.params.size)
        x, y = rng.integers(self.params.size - hidden + 1, size=2)
        image[y : y + hidden, x : x + hidden] = 128
        return image
