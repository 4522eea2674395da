"""A shard in memory, as the bytes of its file, so that it is written by one plain `write`.

- HDF5 itself never uses the disk. So a full disk is an ordinary OSError of `write`, after which the
  same bytes can be written again. Within HDF5 it would leave an open file that cannot be closed.
- Equal samples make equal bytes: no times are stored, chunks are written whole and in order, and
  unused rows of the last chunk are zero.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import h5py
import numpy as np

from pushfit.store import filters
from pushfit.store.layout import Store, crc32, dataset
from pushfit.store.seal import Region, seal

# The oldest format, which every tool reads, and which stores no times. Data is aligned to 8 bytes
# for fast access. Without a cache, chunks are written at once.
_FILE = {"libver": "earliest", "alignment_threshold": 1, "alignment_interval": 8}
_TEXT_PACKED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
TEXT_CHUNK = 2**16  # bytes


def _side_by_side() -> h5py.h5p.PropDCID:
    """Properties by which all chunks of an array are allocated at once, one after the other.

    The file can then be read as one array, across the bounds of chunks.
    """
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    return made


def _merged(regions: list[Region]) -> list[Region]:
    """The regions, with adjacent ones merged."""
    merged = regions[:1]
    for offset, length in regions[1:]:
        first, before = merged[-1]
        if first + before == offset:
            merged[-1] = first, before + length
        else:
            merged.append((offset, length))
    return merged


class Image:
    """Shard number `number` of an epoch, to which groups are added in order."""

    def __init__(self, store: Store, split: str, epoch: int, number: int) -> None:
        form = store.splits[split]
        self.visits = form.span(number)[1]
        self._store, self._group, self._rows = store, form.group * form.patches, 0
        self._crcs: list[int] = []
        self._paths: list[bytes] = []
        self._bytes = io.BytesIO()
        self._file = h5py.File(self._bytes, "w", rdcc_nbytes=0, **_FILE)
        for name, value in store.header(split, epoch, number).items():
            self._file.attrs[name] = value
        rows = self.visits * form.patches
        packed = filters.options(store.compress)
        self._direct = not packed
        self._arrays = [
            self._file.create_dataset(
                dataset(spec.name),
                (rows, *spec.shape),
                spec.dtype,
                chunks=(min(self._group, rows), *spec.shape),
                track_times=False,
                fill_time="never" if self._direct else "alloc",
                dcpl=_side_by_side() if self._direct else None,
                **packed,
            )
            for spec in store.arrays
        ]

    def add(self, arrays: Sequence[np.ndarray], rows: int, paths: Iterable[str]) -> None:
        """Add the next group.

        arrays: (group · K, *shape) each, contiguous.
        rows: how many of their rows count; fewer than group · K only in the last group.
        paths: the record's path for each row.
        """
        self._crcs.append(crc32(array[:rows] for array in arrays))
        for array, into in zip(arrays, self._arrays, strict=True):
            if self._direct:
                chunk = array[: into.chunks[0]]
                chunk[rows:] = 0
                into.id.write_direct_chunk((self._rows, *(0 for _ in into.shape[1:])), chunk)
            else:
                into[self._rows : self._rows + rows] = array[:rows]
        self._paths += [path.encode("utf-8", "replace") for path in paths]
        self._rows += rows

    def close(self, bad: Sequence[int] = ()) -> memoryview:
        """The bytes of the file. bad: numbers in the epoch of visits whose record is bad."""
        self._text("path", self._paths)
        self._text("classes", [name.encode() for name in self._store.classes])
        for name, values, kind in (("crc32", self._crcs, "uint32"), ("bad", bad, "int64")):
            data = np.array(values, kind)
            self._file.create_dataset(name, data=data, track_times=False)
        regions = self._regions()
        self._file.close()
        end = seal(self._bytes.getbuffer(), regions)
        self._bytes.seek(0, io.SEEK_END)
        self._bytes.write(end)
        return self._bytes.getbuffer()

    def _regions(self) -> list[Region]:
        """The regions of the file that hold uncompressed samples; none if they are compressed."""
        regions: list[Region] = []
        for array in self._arrays if self._direct else ():
            for row in range(0, len(array), array.chunks[0]):
                place = (row, *(0 for _ in array.shape[1:]))
                info = array.id.get_chunk_info_by_coord(place)
                regions.append((info.byte_offset, info.size))
        return _merged(sorted(regions))

    def _text(self, name: str, lines: list[bytes]) -> None:
        width = max(1, *map(len, lines)) if lines else 1
        array = np.array(lines, h5py.string_dtype("utf-8", width))
        chunk = max(1, min(len(lines), TEXT_CHUNK // width))
        self._file.create_dataset(
            name, data=array, chunks=(chunk,), track_times=False, **_TEXT_PACKED
        )
