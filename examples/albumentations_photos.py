"""Labelled photos, augmented by Albumentations (`pip install albumentations`, on every host).

    python train_zmq.py --task examples/albumentations_photos.py --links DIR --generators 2

The photos lie as for examples/photos.py. Each sample seeds the pipeline from its own `rng`, so the
stream is the same for any fleet whose hosts have the same version of Albumentations. It computes
in floating point, so hosts with other kinds of CPUs may differ in single levels.
"""

from functools import cached_property
from typing import Any

import numpy as np

from pushfit.tasks.labelled import LabelledImages


class AlbumentationsPhotos(LabelledImages):
    name = "albumentations_photos"
    libraries = ("albumentations", "opencv-python-headless")

    @cached_property
    def pipeline(self) -> Any:
        import albumentations as A  # here, since the trainer draws no samples

        return A.Compose(
            [
                A.HorizontalFlip(p=0.5),
                A.Affine(scale=(0.8, 1.2), rotate=(-15, 15), p=0.8),
                A.RandomBrightnessContrast(p=0.5),
                A.HueSaturationValue(p=0.3),
            ]
        )

    def augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        self.pipeline.set_random_seed(int(rng.integers(2**31)))
        return self.pipeline(image=image)["image"]
