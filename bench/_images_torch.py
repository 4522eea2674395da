"""torchvision and timm in `bench images`: functions from a `Job` to batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench._images_work import BATCH, FLIP, RATIO, SCALE, SIZE, Job
from pushfit.errors import PushFitError


def check_torchvision() -> None:
    """Raise PushFitError where torchvision was built for another torch."""
    try:
        import torchvision.io  # noqa: F401
    except (ImportError, RuntimeError, OSError) as error:
        if isinstance(error, ModuleNotFoundError):
            raise
        raise PushFitError(
            f"torchvision does not work with this torch ({error}): install both from the same "
            "index, such as https://download.pytorch.org/whl/cpu"
        ) from error


def _transforms(*steps: Any) -> Any:
    """The documented training transforms of torchvision, and what else a side needs."""
    check_torchvision()
    from torchvision.transforms import v2

    first, last = (*steps, None, None)[:2]
    each = [
        first,
        v2.RandomResizedCrop(SIZE, scale=SCALE, ratio=RATIO, antialias=True),
        v2.RandomHorizontalFlip(FLIP),
        last,
    ]
    return v2.Compose([step for step in each if step is not None])


def pillow_transforms() -> Any:
    """From a Pillow image to a tensor of uint8."""
    from torchvision.transforms import v2

    return _transforms(None, v2.PILToTensor())


def torchvision_documented(job: Job) -> Any:
    """`ImageFolder` and transforms v2 on Pillow images, as the documentation starts with."""
    transform = pillow_transforms()
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder

    dataset = ImageFolder(str(job.train), transform=transform)
    dataset.samples *= job.copies
    return DataLoader(dataset, batch_size=BATCH, shuffle=True, num_workers=job.workers)


class Bytes:
    """A map-style dataset of JPEGs as they lie on the disk, each given to `transform`."""

    def __init__(self, job: Job, transform: Any) -> None:
        self.photos, self.transform = job.photos * job.copies, transform

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        path, label = self.photos[index]
        return self.transform(Path(path).read_bytes()), label


def decoded(data: bytes) -> Any:
    """(3, height, width) uint8: a JPEG decoded by torchvision's own libjpeg-turbo."""
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg

    return decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.RGB)


def tuned_options(job: Job) -> dict[str, Any]:
    """Arguments of a `DataLoader` whose workers stay, and work further ahead."""
    ahead = {"prefetch_factor": 4, "persistent_workers": True} if job.workers else {}
    return {"batch_size": BATCH, "num_workers": job.workers, **ahead}


def torchvision_tuned(job: Job) -> Any:
    """Its own decoder, and the same transforms on tensors, which have kernels for uint8."""
    from torch.utils.data import DataLoader

    dataset: Any = Bytes(job, _transforms(decoded))
    return DataLoader(dataset, shuffle=True, **tuned_options(job))


def torch_cv2(job: Job) -> Any:
    """A `DataLoader` whose workers use simplejpeg and OpenCV."""
    from torch.utils.data import DataLoader

    dataset: Any = Bytes(job, fast_tensor)
    return DataLoader(dataset, shuffle=True, **tuned_options(job))


def fast_tensor(data: bytes) -> Any:
    """`fast_sample` as a tensor, which goes from worker to consumer in shared memory."""
    import torch

    from bench._images_work import fast_sample

    return torch.from_numpy(fast_sample(data))


def timm(job: Job) -> Any:
    """Its loader for training on ImageNet, with its own uint8 transforms and collating."""
    check_torchvision()
    from timm.data.dataset import ImageDataset
    from timm.data.loader import create_loader, fast_collate
    from timm.data.transforms_factory import create_transform

    dataset: Any = ImageDataset(str(job.train))
    dataset.reader.samples *= job.copies
    about: dict[str, Any] = {
        "is_training": True, "scale": SCALE, "ratio": RATIO, "hflip": FLIP, "color_jitter": None,
        "interpolation": "bilinear",
    }  # fmt: skip
    loader: Any = create_loader(
        dataset, (3, SIZE, SIZE), BATCH, num_workers=job.workers, use_prefetcher=False,
        persistent_workers=job.workers > 0, collate_fn=fast_collate, **about,
    )  # fmt: skip
    # As with its prefetcher, which scales the pixels where the batch is used.
    dataset.transform = create_transform((3, SIZE, SIZE), use_prefetcher=True, **about)
    return loader
