"""The images in a dataset of an HDF5 file, read row by row.

Images are (n, height, width), (n, height, width, channels) or (n, channels, height, width), with 1
to 4 channels. Only the requested rows, and the chunks that they lie in, are ever in memory. If a
dataset lies uncompressed and in one piece in its file, the file is mapped: all processes of a host
share it, and need not wait for a lock of HDF5.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

import numpy as np

from pushfit.errors import BadRecord, DataError
from pushfit.tasks.hdf5.files import CACHE, Named, opened

CHANNELS = 4  # most channels of an image
COSTLY = 16  # if more images than these are unpacked to read one, the log says so

log = logging.getLogger("pushfit.tasks")


class Images:
    """The images of a dataset. Raises DataError.

    count: the number of images.
    shape: (height, width, channels).
    white: the value that becomes 255; 0: the values are bytes already.
    """

    def __init__(self, named: Named, white: float) -> None:
        self.named, self._white = named, white
        self._file = opened(named.file)  # stays open as long as the process lives
        self._dataset = self._file[named.path]
        shape: tuple[int, ...] = self._dataset.shape or ()
        dtype = self._dataset.dtype
        if len(shape) not in (3, 4) or 0 in shape[1:]:
            raise DataError(
                f"{named} is {dtype}{list(shape)}: images are (n, height, width), "
                "(n, height, width, channels) or (n, channels, height, width)"
            )
        if dtype.kind not in "buif":
            raise DataError(f"{named} holds {dtype}, where images are numbers")
        if dtype != np.uint8 and not white:
            raise DataError(
                f"{named} holds {dtype}, not uint8: say which value is white, e.g. --white 1 for "
                "images from 0 to 1, --white 65535 for 16 bits"
            )
        self.count = int(shape[0])
        self._first = len(shape) == 4 and shape[3] > CHANNELS and shape[1] <= CHANNELS
        sides = tuple(shape[1:]) if len(shape) == 4 else (*shape[1:], 1)
        self.shape: tuple[int, ...] = (*sides[1:], sides[0]) if self._first else sides
        if self.shape[2] > CHANNELS:
            raise DataError(f"{named} is {dtype}{list(shape)}: an image has 1 to 4 channels")
        self._rows = self._mapped()
        self._look()

    def _mapped(self) -> Any:
        """The dataset, or the mapped file if the rows lie in it uncompressed."""
        data = self._dataset
        offset = data.id.get_offset()
        packed = data.id.get_create_plist().get_nfilters()
        if data.chunks is not None or offset is None or packed or not data.size:
            return data
        if self.named.file.stat().st_size < offset + data.size * data.dtype.itemsize:
            raise DataError(f"{self.named.file} is cut short: copy it again")
        return np.memmap(self.named.file, data.dtype, "r", offset, data.shape)

    def _look(self) -> None:
        """Load the filters that the dataset needs, and log if reading it is costly."""
        data = self._dataset
        if not data.chunks or not data.id.get_create_plist().get_nfilters():
            return
        with suppress(ModuleNotFoundError):  # HDF5's own filters do not need it
            import hdf5plugin  # noqa: F401
        if data.chunks[0] > COSTLY and data.size * data.dtype.itemsize > CACHE:
            log.info(
                "%s is packed in chunks of %s images, all of which are unpacked to read one: "
                "`h5repack -l %s:CONTI -f %s:NONE` makes a file that is read faster",
                self.named, f"{data.chunks[0]:,}", self.named.path, self.named.path,
            )  # fmt: skip

    def read(self, rows: np.ndarray) -> np.ndarray:
        """(n, height, width, channels) uint8: the images of these rows. Raises BadRecord."""
        if isinstance(self._rows, np.memmap):
            values = np.asarray(self._rows[rows])
        else:
            values = np.empty((len(rows), *self._dataset.shape[1:]), self._dataset.dtype)
            for place in np.argsort(rows, kind="stable"):  # so that a chunk is unpacked once
                values[place] = self._row(int(rows[place]))
        if values.ndim == 3:
            values = values[..., np.newaxis]
        return self._bytes(np.moveaxis(values, 1, 3) if self._first else values)

    def _row(self, row: int) -> np.ndarray:
        try:
            values: np.ndarray = self._dataset[row]
        except OSError as error:
            # h5py names an error of the system only in its text. Any other error means that the
            # content of the file is wrong.
            if error.errno is not None or "errno = " in str(error):
                raise
            raise BadRecord(f"cannot be unpacked: {error}{self._advice()}") from error
        return values

    def _advice(self) -> str:
        plist = self._dataset.id.get_create_plist()
        kinds = [plist.get_filter(number)[0] for number in range(plist.get_nfilters())]
        if any(kind >= 256 for kind in kinds):  # a registered filter, which is not part of HDF5
            return "; its filter is not part of HDF5: install hdf5plugin, which may have it"
        return ""

    def _bytes(self, values: np.ndarray) -> np.ndarray:
        if values.dtype == np.uint8 and self._white in (0, 255):
            return values
        numbers = values.astype(np.float64)
        if numbers.size and not (numbers.min() >= 0 and numbers.max() <= self._white):
            raise BadRecord(
                f"its values run from {numbers.min():g} to {numbers.max():g}, but with --white "
                f"{self._white:g} they must be 0 to {self._white:g}"
            )
        return np.rint(numbers * (255 / self._white)).astype(np.uint8)
