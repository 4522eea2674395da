"""Part of `bench scan`: the same records in folders, in lists and in tar shards.

    python -m bench._laid_out LINKS LIST      a scan: seconds, and memory in megabytes

- `kept_mb`: what the process has grown by when the scan is over. `peak_mb`: the most that it had at
  once, with Python and numpy.
- LIST is the file in LINKS that lists the photos, or "none".
"""

from __future__ import annotations

import resource
import tarfile
import time
from pathlib import Path

from bench._apart import tell
from bench._turns import Figures
from pushfit.host import resident_bytes
from pushfit.tasks import layouts

NO_LIST = "none"
LIST, SIZED_LIST = "photos.csv", "photos-with-sizes.csv"
A_SHARD = 10_000  # photos
BLOCK = 512
PHOTO = b"\xff\xd8\xff" + bytes(97)  # no scan looks into a photo


def lists(links: Path) -> None:
    """Two lists of the photos in the folders of `links`, in an order of no use."""
    folders = sorted((links / "train").iterdir(), reverse=True)
    with (links / LIST).open("w") as plain, (links / SIZED_LIST).open("w") as sized:
        plain.write("path,label\n")
        sized.write("path,label,size\n")
        for folder in folders:
            for photo in folder.iterdir():
                row = f"train/{folder.name}/{photo.name},{folder.name}"
                plain.write(f"{row}\n")
                sized.write(f"{row},{photo.stat().st_size}\n")


def shards(links: Path, records: int, a_class: int) -> Path:
    """`links`, with so many small photos in tar shards, each beside a file with its class."""
    (links / "train").mkdir(parents=True)
    for first in range(0, records, A_SHARD):
        with (links / "train" / f"shard-{first // A_SHARD:05}.tar").open("wb") as file:
            for number in range(first, min(first + A_SHARD, records)):
                label = number * 7919 % records // a_class  # each shard has most classes
                for ending, data in (("jpg", PHOTO), ("cls", b"%d" % label)):
                    entry = tarfile.TarInfo(f"photo-{number:08}.{ending}")
                    entry.size = len(data)
                    file.write(entry.tobuf(tarfile.USTAR_FORMAT))
                    file.write(data.ljust(BLOCK, b"\0"))
            file.write(bytes(2 * BLOCK))
    return links


def measure(links: Path, listed: str) -> Figures:
    before, began = resident_bytes(), time.perf_counter()
    data = layouts.scan(links, held_out=0.1, list_file="" if listed == NO_LIST else listed)
    seconds = time.perf_counter() - began
    kept = resident_bytes() - before
    return {
        "scan_s": seconds,
        "kept_mb": kept / 1e6,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1.024e-3,
        "records": sum(map(len, data.splits.values())),
    }


if __name__ == "__main__":
    tell(measure)
