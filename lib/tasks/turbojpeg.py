"""A rectangle of a JPEG, without decoding the rest of it: libjpeg-turbo 3, through ctypes.

    decode_part(data, choose) -> an (H, W, 3) uint8 photo with the chosen rectangle filled in, or
                                 None: decode it whole, which also says what is wrong with it

- Spared for all that lies above, left and right of the rectangle: inverse DCT, chroma upsampling,
  colour conversion. What lies below is converted, too, within the rectangle's columns: told to
  leave it out, the library would stop reading, and nobody would notice that the file is damaged
  or cut off there. Reading (Huffman) is about half of the work, and is never spared.
- The pixels are those of the whole photo, bit for bit. Chroma upsampling reads one pixel to the
  left and right, so the rectangle is widened by that, and on the left to a column of blocks. A part
  of two columns of chroma or less would be upsampled another way: it is made a block wide at least.
- The rest of the array is memory that nobody wrote to.
- For plain files, as cameras write them: 8-bit, baseline, grey or YCbCr. Any other, any error, any
  warning, any host without the library: None. So it decides no pixels, and refuses no file.

The library is the host's own where that is version 3 or newer, else that in the wheel `turbojpeg`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]  # left, top, right, bottom, in pixels

MARGIN = 1  # pixels beside the rectangle that smooth chroma upsampling reads
BLOCK = 32  # the widest column of blocks: 4:1:1; a multiple of all others
MOST = 0.95  # of the photo: beyond that, hardly anything is gained by leaving the rest out

_DECOMPRESS, _RGB = 1, 0  # enum TJINIT, enum TJPF
_WIDTH, _HEIGHT, _PRECISION, _COLOURS, _PROGRESSIVE, _ARITHMETIC, _LOSSLESS = 5, 6, 7, 8, 12, 14, 15
_YCBCR, _GREY = 1, 2  # enum TJCS


class _Region(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("x", "y", "w", "h")]


def decode_part(data: bytes, choose: Callable[[int, int], Box | None]) -> NDArray[np.uint8] | None:
    """choose: (width, height) -> the rectangle that is needed, inside the photo, or None."""
    library = _library()
    if library is None:
        return None
    handle = library.tj3Init(_DECOMPRESS)
    if not handle:
        return None
    try:
        return _decode(library, handle, data, choose)
    finally:
        library.tj3Destroy(handle)


def _decode(
    library: ctypes.CDLL, handle: int, data: bytes, choose: Callable[[int, int], Box | None]
) -> NDArray[np.uint8] | None:
    if library.tj3DecompressHeader(handle, data, len(data)):
        return None
    width, height, precision, colours, *unusual = (
        library.tj3Get(handle, parameter)
        for parameter in (
            _WIDTH,
            _HEIGHT,
            _PRECISION,
            _COLOURS,
            _PROGRESSIVE,
            _ARITHMETIC,
            _LOSSLESS,
        )
    )
    if precision != 8 or colours not in (_YCBCR, _GREY) or any(unusual):
        return None
    box = choose(width, height)
    if box is None:
        return None
    left = max(min(box[0] - MARGIN, width - BLOCK), 0) // BLOCK * BLOCK
    right, top = min(max(box[2] + MARGIN, left + BLOCK), width), box[1]
    if (right - left) * (height - top) > MOST * width * height:
        return None
    region = _Region(left, top, right - left, height - top)
    if library.tj3SetCroppingRegion(handle, region):
        return None
    photo = np.empty((height, width, 3), np.uint8)
    start = photo.ctypes.data + (top * width + left) * 3
    wrong = library.tj3Decompress8(handle, data, len(data), start, width * 3, _RGB)
    return None if wrong else photo


@cache
def _library() -> ctypes.CDLL | None:
    """libturbojpeg 3 or newer, or None."""
    for path in ("libturbojpeg.so.0", *_wheel()):
        with suppress(OSError, AttributeError):  # not there; or an older one
            library = ctypes.CDLL(path)
            pointer, number = ctypes.c_void_p, ctypes.c_int
            packed = (pointer, ctypes.c_char_p, ctypes.c_size_t)
            library.tj3Init.argtypes, library.tj3Init.restype = (number,), pointer
            library.tj3Destroy.argtypes, library.tj3Destroy.restype = (pointer,), None
            library.tj3DecompressHeader.argtypes = packed
            library.tj3Get.argtypes = (pointer, number)
            library.tj3SetCroppingRegion.argtypes = (pointer, _Region)
            library.tj3Decompress8.argtypes = (*packed, pointer, number, number)
            return library
    return None


def _wheel() -> list[str]:
    """The library inside the wheel `turbojpeg`, if that is installed."""
    found = find_spec("turbojpeg")
    if found is None or found.origin is None:
        return []
    return [str(p) for p in Path(found.origin).parent.glob("turbojpeg.libs/libturbojpeg*.so*")]
