"""WebDataset, MosaicML Streaming and LitData in `bench images`, each from files of its own format.

Documented: Pillow decodes, and torchvision's transforms v2 follow. Tuned: simplejpeg and OpenCV.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench._images_torch import fast_tensor, pillow_transforms, tuned_options
from bench._images_work import BATCH, Job

BUFFER = 1000  # samples of WebDataset's shuffle


def webdataset_documented(job: Job) -> Any:
    """Shards in random order, a shuffle buffer, Pillow, and its `WebLoader`."""
    import webdataset as wds

    made = _shards(job).decode("pil").to_tuple("jpg", "cls").map_tuple(pillow_transforms(), int)
    return wds.WebLoader(made.batched(BATCH), batch_size=None, num_workers=job.workers)


def webdataset_tuned(job: Job) -> Any:
    import webdataset as wds

    made = _shards(job).to_tuple("jpg", "cls").map_tuple(fast_tensor, int)
    options = {**tuned_options(job), "batch_size": None}
    return wds.WebLoader(made.batched(BATCH, partial=False), **options)


def _shards(job: Job) -> Any:
    import webdataset as wds

    tars = sorted(map(str, (Path(job.formats) / "webdataset").glob("*.tar")))
    return wds.WebDataset(tars, shardshuffle=len(tars)).repeat().shuffle(BUFFER)


def mds_documented(job: Job) -> Any:
    return _mds(job, opened, {"batch_size": BATCH, "num_workers": job.workers})


def mds_tuned(job: Job) -> Any:
    return _mds(job, fast_tensor, tuned_options(job))


def _mds(job: Job, made: Callable[[bytes], Any], options: dict[str, Any]) -> Any:
    from streaming import StreamingDataset
    from streaming.base.util import clean_stale_shared_memory
    from torch.utils.data import DataLoader

    class Photos(StreamingDataset):
        def __getitem__(self, index: Any) -> Any:
            item = super().__getitem__(index)
            return made(item["image"]), item["label"]

    clean_stale_shared_memory()  # of a measurement that was ended
    dataset = Photos(
        local=str(Path(job.formats) / "mds"), shuffle=True, batch_size=BATCH,
        epoch_size=len(job.photos) * job.copies,
    )  # fmt: skip
    return DataLoader(dataset, **options)


def litdata_documented(job: Job) -> Any:
    return _litdata(job, opened, {"batch_size": BATCH, "num_workers": job.workers})


def litdata_tuned(job: Job) -> Any:
    return _litdata(job, fast_tensor, tuned_options(job))


def _litdata(job: Job, made: Callable[[bytes], Any], options: dict[str, Any]) -> Any:
    from litdata import StreamingDataLoader, StreamingDataset

    dataset = StreamingDataset(
        str(Path(job.formats) / "litdata"), shuffle=True, transform=partial(_of_item, made),
        subsample=float(job.copies),
    )  # fmt: skip
    return StreamingDataLoader(dataset, **options)


def _of_item(made: Callable[[bytes], Any], item: dict[str, Any]) -> tuple[Any, int]:
    return made(item["image"]), item["label"]


def opened(data: bytes) -> Any:
    """A JPEG through Pillow and the documented transforms."""
    from PIL import Image

    global _transforms
    if _transforms is None:
        _transforms = pillow_transforms()
    with Image.open(io.BytesIO(data)) as photo:
        return _transforms(photo.convert("RGB"))


_transforms: Any = None
