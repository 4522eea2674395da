"""Tar shards of photos in folders, for tests."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path


def write_tar(path: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """An archive with these files: (name, content)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def write_shards(photos: Path, links: Path, a_shard: int = 4) -> Path:
    """`links`, with the photos of `photos` in tar shards; each has a file with its class."""
    for folder in ("train", "val_images"):
        found = sorted((photos / folder).glob("*/*.jpg"))
        for number, first in enumerate(range(0, len(found), a_shard)):
            files = []
            for photo in found[first : first + a_shard]:
                stem = f"{photo.parent.name}-{photo.stem}"
                files.append((f"{stem}.jpg", photo.read_bytes()))
                files.append((f"{stem}.cls", photo.parent.name.encode()))
            write_tar(links / folder / f"shard-{number:03}.tar", files)
    return links
