"""Photos that every side of a bench can use."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pushfit.errors import BadRecord, DataError
from pushfit.tasks.base import TRAIN, Record
from pushfit.tasks.camera.params import CameraParams
from pushfit.tasks.camera.task import CameraTask


def usable(links: Path, px: int) -> list[Record]:
    """The training photos that can be read and are large enough for every manipulation of a patch
    of `px` pixels. Raises DataError."""
    task = CameraTask(CameraParams(patch=px))
    found = []
    for record in task.scan(links).splits[TRAIN]:
        with suppress(BadRecord):
            photo = task.decode(task.read(links, record), record)
            if min(photo.shape[:2]) >= 2 * px:
                found.append(record)
    if not found:
        raise DataError(f"no photo in {links} is at least {2 * px} px a side")
    return found


def linked(links: Path, records: Iterable[Record], folder: Path) -> Path:
    """`folder`, filled with links to these records alone."""
    for record in records:
        link = folder / record.path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to((links / record.path).resolve())
    return folder
