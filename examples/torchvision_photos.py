"""Labelled photos, augmented by torchvision's transforms (it and torch are on every host).

    python train_zmq.py --task examples/torchvision_photos.py --links DIR --generators 2

The photos lie as for examples/photos.py. Each sample seeds torch from its own `rng`, so the stream
is the same for any fleet whose hosts have the same versions of torch and torchvision. They compute
in floating point, so hosts with other kinds of CPUs may differ in single levels. A generator with
torch takes seconds to start and a few hundred megabytes; `--policy trivialaugment` of the task
`images` draws the same transforms without it.
"""

from functools import cached_property
from typing import Any

import numpy as np

from pushfit.tasks.labelled import LabelledImages


class TorchvisionPhotos(LabelledImages):
    name = "torchvision_photos"
    libraries = ("torchvision", "torch")

    @cached_property
    def transforms(self) -> Any:
        import torch
        from torchvision.transforms import v2

        torch.set_num_threads(1)  # there is a generator process for each core
        return v2.Compose(
            [
                v2.RandomHorizontalFlip(),
                v2.TrivialAugmentWide(),
                v2.RandomErasing(0.1, value=(124, 116, 104)),
            ]
        )

    def augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        import torch

        planes = torch.from_numpy(image).permute(2, 0, 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**63)))
            return self.transforms(planes).permute(1, 2, 0).numpy()
