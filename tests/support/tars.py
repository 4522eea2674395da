"""Tar files for tests, in the formats that programs write."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT}
Files = Iterable[tuple[str, bytes]]


def archive(files: Files, form: str = "pax") -> bytes:
    """A tar file with these files, (name, content) each."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=FORMATS[form]) as made:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            made.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def put(links: Path, data: bytes | Files, name: str = "train/a.tar") -> Path:
    """The path of the file `name` in `links`, made with this content."""
    path = links / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else archive(data))
    return path
