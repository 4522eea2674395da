"""Writes visits, however many come at a time, to the shards of one epoch of one split.

    visits ─▶ group (`Image.add`) ─▶ shard ─▶ save(path, bytes)

It holds one shard, and one of its groups twice: SHARD_BYTES and little more.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pushfit.files import replacing
from pushfit.store.image import Image
from pushfit.store.layout import Store, shard_path

Save = Callable[[Path, memoryview], None]


class Writer:
    """Writes the shards of `epoch` of `split`, from number `number` on.

    save: writes a finished shard to the disk (`put`), or raises.
    """

    def __init__(
        self, folder: Path, store: Store, split: str, epoch: int, number: int, save: Save
    ) -> None:
        self._folder, self._store, self._save = folder, store, save
        self._split, self._epoch, self._number = split, epoch, number
        self._form = form = store.splits[split]
        rows = form.group * form.patches
        self._group = [np.empty((rows, *spec.shape), spec.dtype) for spec in store.arrays]
        self._paths: list[str] = []  # paths of the visits in the group
        self._image: Image | None = None
        self._left = 0  # visits that the shard still lacks
        self._bad: list[int] = []

    def add(self, arrays: Sequence[np.ndarray], paths: Sequence[str], bad: Sequence[int]) -> None:
        """Add the next visits.

        arrays: (visits · K, *shape) each.
        paths: the record's path for each visit.
        bad: the visits whose record was substituted, as numbered in the epoch.
        Raises what `save` raises; the shard is then lost.
        """
        form, done = self._form, 0
        self._bad += bad
        while done < len(paths):
            if self._image is None:
                self._image = Image(self._store, self._split, self._epoch, self._number)
                self._left = self._image.visits
            count = min(form.group - len(self._paths), self._left, len(paths) - done)
            start, rows = len(self._paths) * form.patches, count * form.patches
            for group, array in zip(self._group, arrays, strict=True):
                group[start : start + rows] = array[done * form.patches :][:rows]
            self._paths += paths[done : done + count]
            self._left -= count
            done += count
            if len(self._paths) == form.group or not self._left:
                self._end_group()
            if not self._left:
                self._end_shard()

    def _end_group(self) -> None:
        assert self._image is not None
        patches = self._form.patches
        rows = len(self._paths) * patches
        self._image.add(self._group, rows, (path for path in self._paths for _ in range(patches)))
        self._paths = []

    def _end_shard(self) -> None:
        assert self._image is not None
        end = sum(self._form.span(self._number))
        image, self._image = self._image, None
        path = shard_path(self._folder, self._split, self._epoch, self._number)
        self._save(path, image.close([visit for visit in self._bad if visit < end]))
        self._bad = [visit for visit in self._bad if visit >= end]
        self._number += 1


def put(path: Path, data: memoryview) -> None:
    """Write a file atomically, after a check for space on the disk. Raises OutputError."""
    with replacing(path) as temporary, temporary.open("wb", buffering=0) as file:
        try:
            os.posix_fallocate(file.fileno(), 0, len(data))
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
        done = 0
        while done < len(data):
            done += file.write(data[done:])
