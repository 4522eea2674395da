"""The photos of `bench images` in the formats of other libraries, by their own writers.

    python -m bench._images_formats KIND LINKS OUT

Each file keeps the bytes of the JPEGs as they are, so that no side has to decode anything else.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench._apart import tell
from bench._images_torch import check_torchvision
from bench._images_work import Job

SHARDS = 8  # of WebDataset: as many for each of two workers
SEED = 0


def webdataset(job: Job, out: Path) -> None:
    import webdataset as wds

    photos = shuffled(job)
    out.mkdir()
    each = -(-len(photos) // SHARDS)
    with wds.ShardWriter(str(out / "%06d.tar"), maxcount=each, verbose=0) as writer:
        for number, (path, label) in enumerate(photos):
            writer.write({"__key__": f"{number:08}", "jpg": Path(path).read_bytes(), "cls": label})


def mds(job: Job, out: Path) -> None:
    check_torchvision()
    from streaming import MDSWriter

    with MDSWriter(out=str(out), columns={"image": "bytes", "label": "int"}) as writer:
        for path, label in shuffled(job):
            writer.write({"image": Path(path).read_bytes(), "label": label})


def litdata(job: Job, out: Path) -> None:
    check_torchvision()
    from litdata import optimize

    optimize(
        fn=packed, inputs=shuffled(job), output_dir=str(out), chunk_bytes="16MB", num_workers=1,
        verbose=False,
    )  # fmt: skip


def packed(photo: tuple[str, int]) -> dict[str, Any]:
    path, label = photo
    return {"image": Path(path).read_bytes(), "label": label}


def shuffled(job: Job) -> list[tuple[str, int]]:
    """The photos in an order that mixes the classes, as the formats' own guides say to do."""
    return random.Random(SEED).sample(job.photos, len(job.photos))


KINDS: dict[str, Callable[[Job, Path], None]] = {
    "webdataset": webdataset,
    "mds": mds,
    "litdata": litdata,
}


def write(kind: str, links: str, out: Path) -> dict[str, float]:
    job = Job(links, "", 0, "")
    KINDS[kind](job, out)
    return {"photos": len(job.photos)}


if __name__ == "__main__":
    tell(write)
