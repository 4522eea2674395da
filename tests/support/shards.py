"""Tar shards of photos in folders, for tests."""

from __future__ import annotations

from pathlib import Path

from tests.support.tars import put


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
            put(links, files, f"{folder}/shard-{number:03}.tar")
    return links
