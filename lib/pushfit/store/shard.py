"""Reads a shard: it is checked against its store, and its samples are given as arrays.

Without compression, arrays are views of the mapped file: no byte is copied before it goes into a
batch, and data that was read lately comes from the page cache. A view stays valid after the shard
is closed.
"""

from __future__ import annotations

import mmap
import os
import weakref
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np

from pushfit.errors import DataError
from pushfit.installation import typed
from pushfit.store import cut_short, filters, seal
from pushfit.store.layout import Store, crc32, dataset, shard_path
from pushfit.tasks.base import ArraySpec

SMALL_BYTES = 2**20  # an array of this size may be copied to be read as one


class Shard:
    """Shard `number` of an epoch of a split, a context manager.

    first, count: its visits, as numbered in the epoch.
    samples: the number of samples of all its visits.
    bad: the visits whose record was substituted.
    Raises DataError if the file is missing, damaged or of another stream.
    """

    def __init__(self, folder: Path, store: Store, split: str, epoch: int, number: int) -> None:
        form = store.splits[split]
        self.path = shard_path(folder, split, epoch, number)
        self.first, self.count = form.span(number)
        self._patches, self._specs = form.patches, store.arrays
        self.samples = self.count * form.patches
        self._group = min(form.group * form.patches, self.samples)  # rows of a chunk
        self._bytes = self._sealed()
        mark = cut_short.mapped(self.path, len(self._bytes))
        weakref.finalize(self._bytes, cut_short.unmapped, mark)  # called when no view is left
        self._file = self._open()
        try:
            self._compare(store.header(split, epoch, number))
            self._arrays = [self._dataset(spec) for spec in store.arrays]
            self._crcs = self._small("crc32", -(-self.samples // self._group))
            self.bad: list[int] = self._small("bad").tolist()
            self._map = self._mapped()
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
            self._file.close()
            raise self._broken(error) from error
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Shard:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the shard. Views stay valid as long as the file is not cut short."""
        self._file.close()

    def read(self, first: int, count: int) -> tuple[np.ndarray, ...]:
        """Visits `first` … `first + count - 1` of the epoch: (count · K, *shape) each, read-only.

        Nothing is copied within an uncompressed group, and if the shard is `whole` also across the
        bounds of groups. Raises DataError.
        """
        if not self.first <= first <= first + count <= self.first + self.count:
            raise ValueError(f"visits {first} to {first + count - 1} are not in {self.path}")
        start, stop = ((visit - self.first) * self._patches for visit in (first, first + count))
        return tuple(self._rows_of(number, start, stop) for number in range(len(self._specs)))

    def column(self, name: str) -> np.ndarray:
        """One of the task's arrays, whole: (count · K, *shape). Raises DataError, KeyError."""
        number = {spec.name: number for number, spec in enumerate(self._specs)}[name]
        return self._rows_of(number, 0, self.samples)

    def expect(self, first: int, count: int) -> None:
        """Let the kernel read these visits from the disk, if they are not compressed.

        Call it in another thread, since it may take as long as reading.
        """
        if self._map is None:
            return
        start, stop = ((visit - self.first) * self._patches for visit in (first, first + count))
        with self.path.open("rb") as file:
            for spec, offsets in zip(self._specs, self._offsets, strict=True):
                for offset in offsets[start // self._group : -(-stop // self._group)]:
                    size = self._group * spec.nbytes
                    os.posix_fadvise(file.fileno(), offset, size, os.POSIX_FADV_WILLNEED)

    @property
    def whole(self) -> bool:
        """Return whether its large arrays lie in the file without gaps, as our writer does it."""
        large = [spec.nbytes * self.samples > SMALL_BYTES for spec in self._specs]
        return self._map is not None and all(
            gapless or not big for gapless, big in zip(self._gapless, large, strict=True)
        )

    def paths(self) -> list[str]:
        """The path of each sample's record. Raises DataError."""
        try:
            paths = self._file["path"].asstr()[:]
            if paths.shape != (self.samples,):
                raise ValueError(f"path has {paths.shape} entries for {self.samples} samples")
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise self._broken(error) from error
        return list(paths)

    def check(self) -> None:
        """Read all samples. Raises DataError if they are not those that were stored."""
        self.paths()
        for number, expected in enumerate(self._crcs):
            start = number * self._group
            stop = min(start + self._group, self.samples)
            crc = crc32(self._rows_of(array, start, stop) for array in range(len(self._specs)))
            if crc != expected:
                visits = [self.first + row // self._patches for row in (start, stop - 1)]
                raise DataError(
                    f"{self.path}: the samples of visits {visits[0]} to {visits[1]} are not those "
                    f"that were stored (their CRC-32 is {crc:08x}, not {expected:08x}). "
                    f"{self._again()}"
                )

    # -- inside -----------------------------------------------------------------------------------

    def _sealed(self) -> mmap.mmap:
        """The mapped file, whose seal is right. Samples are not checked."""
        try:
            with self.path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            with memoryview(mapped) as data:
                seal.check(data)
        except FileNotFoundError:
            raise DataError(f"{self.path} is missing. {self._again()}") from None
        except (OSError, ValueError) as error:
            raise self._broken(error) from error
        return mapped

    def _open(self) -> h5py.File:
        try:
            # Reading needs no lock, which would fail on a file system without locks.
            return h5py.File(self.path, "r", locking=False)
        except (OSError, RuntimeError) as error:
            raise self._broken(error) from error

    def _compare(self, header: dict[str, str | int]) -> None:
        for name, expected in header.items():
            found = self._file.attrs.get(name)
            found = found.item() if isinstance(found, np.generic) else found
            if found != expected:
                raise DataError(
                    f"{self.path} is not of the stream in {self.path.parent}: its {name} is "
                    f"{found!r}, not {expected!r}. Put it where it came from. {self._again()}"
                )

    def _dataset(self, spec: ArraySpec) -> h5py.Dataset:
        found = self._file[dataset(spec.name)]
        shape = (self.samples, *spec.shape)
        if (found.shape, found.dtype) != (shape, np.dtype(spec.dtype)):
            raise ValueError(
                f"{dataset(spec.name)} is {found.dtype} of {found.shape}, not {spec.dtype} of "
                f"{shape}"
            )
        if found.chunks != (self._group, *spec.shape):
            raise ValueError(f"{dataset(spec.name)} is not in chunks of {self._group} rows")
        if found.id.get_create_plist().get_nfilters():
            filters.load()
        return found

    def _small(self, name: str, size: int | None = None) -> np.ndarray:
        values: np.ndarray = self._file[name][:]
        if values.ndim != 1 or values.dtype.kind not in "ui" or size not in (None, len(values)):
            raise ValueError(f"{name} is {values.dtype} of {values.shape}")
        return values

    def _mapped(self) -> mmap.mmap | None:
        """The mapped file if its chunks are not compressed; else None."""
        if any(array.id.get_create_plist().get_nfilters() for array in self._arrays):
            return None
        self._offsets = [self._places(array, len(self._bytes)) for array in self._arrays]
        sizes = [self._group * spec.nbytes for spec in self._specs]
        self._gapless = [
            all(low + size == high for low, high in pairwise(offsets))
            for offsets, size in zip(self._offsets, sizes, strict=True)
        ]
        return self._bytes

    def _places(self, array: h5py.Dataset, size: int) -> list[int]:
        """The offset of each chunk in the file."""
        offsets = []
        nbytes = self._group * array.dtype.itemsize * int(np.prod(array.shape[1:]))
        for row in range(0, self.samples, self._group):
            info = array.id.get_chunk_info_by_coord((row, *(0 for _ in array.shape[1:])))
            offset = info.byte_offset
            if offset is None or info.size != nbytes or offset + nbytes > size:
                raise ValueError(f"{array.name}: the chunk of row {row} is not complete")
            offsets.append(offset)
        return offsets

    def _rows_of(self, number: int, start: int, stop: int) -> np.ndarray:
        """The rows from `start` to `stop` of array number `number`: (stop - start, *shape)."""
        if self._map is None:
            try:
                rows: np.ndarray = self._arrays[number][start:stop]
            except (OSError, RuntimeError) as error:
                raise self._broken(error) from error
        else:
            low, high = start // self._group, -(-stop // self._group)
            if high - low == 1 or self._gapless[number]:
                return self._view(number, low, start, stop)
            bounds = [start, *range((low + 1) * self._group, stop, self._group), stop]
            parts = [
                self._view(number, low + step, *span) for step, span in enumerate(pairwise(bounds))
            ]
            rows = np.concatenate(parts)
        rows.flags.writeable = False
        return rows

    def _view(self, number: int, group: int, start: int, stop: int) -> np.ndarray:
        """The rows from `start` to `stop`, which begin in chunk `group` and are adjacent."""
        spec = self._specs[number]
        size = spec.nbytes // np.dtype(spec.dtype).itemsize  # items of a row
        offset = self._offsets[number][group] + (start - group * self._group) * spec.nbytes
        assert self._map is not None
        flat = np.frombuffer(self._map, spec.dtype, (stop - start) * size, offset)
        return flat.reshape(stop - start, *spec.shape)

    def _broken(self, error: Exception) -> DataError:
        text = " ".join(str(error).split())
        return DataError(f"{self.path} cannot be read as a stored stream: {text}. {self._again()}")

    def _again(self) -> str:
        return (
            "If you have a copy of it, put that back; otherwise remove the file, and "
            f"{typed('sink')} --resume --out {self.path.parent} makes it again"
        )
