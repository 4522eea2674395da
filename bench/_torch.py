"""The two data sets that PyTorch's DataLoader is given: as documented, and with our functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset

from bench._patches import pillow_patch

if TYPE_CHECKING:
    from bench._loaders import Photos


def _worker_rng() -> np.random.Generator:
    """From torch's own seed: another one in every worker and epoch."""
    return np.random.default_rng(int(torch.randint(2**62, (1,))))


class OnePatch(Dataset[torch.Tensor]):
    """Map-style: an item is one patch of one photo. epoch: items in it."""

    def __init__(self, photos: Photos, epoch: int) -> None:
        self.paths, self.px, self.epoch = photos.paths(), photos.px, epoch

    def __len__(self) -> int:
        return self.epoch

    def __getitem__(self, index: int) -> torch.Tensor:
        patch = pillow_patch(Path(self.paths[index % len(self.paths)]), self.px, _worker_rng())
        return torch.from_numpy(np.array(patch))


class ManyPatches(Dataset[torch.Tensor]):
    """Map-style: an item is the K patches of one visit. epoch: items in it."""

    def __init__(self, photos: Photos, epoch: int) -> None:
        self.photos, self.epoch = photos, epoch

    def __len__(self) -> int:
        return self.epoch

    def __getitem__(self, index: int) -> torch.Tensor:
        made = torch.from_numpy(self.photos.visit(index, index))
        return made if self.photos.k > 1 else made[0]
