"""A rectangle of a JPEG, without decoding the rest of it: libjpeg-turbo 3, through ctypes.

    decode_part(data, choose) -> an (H, W, 3) uint8 photo with the chosen rectangle filled in, or
                                 None: decode it whole, which also says what is wrong with it

- The photo may be shrunken: an inverse DCT of 4, 2 or 1 instead of 8 pixels a side of a block costs
  as much less as it gives fewer pixels.

- Above, left and right of the rectangle there is no inverse DCT, chroma upsampling or colour
  conversion. Below it the rectangle's columns are converted: otherwise the library would stop
  reading, and damage there would not be noticed. Reading (Huffman) is about half of the work, and
  covers the whole file.
- The pixels are those of the whole photo, bit for bit. Chroma upsampling reads one pixel to the
  left and right, so the rectangle is widened by that, and on the left to a column of blocks. It is
  at least a block wide, since two columns of chroma or fewer would be upsampled in another way.
- The rest of the array is uninitialized memory.
- It is for plain files, as cameras write them: 8-bit, baseline, grey or YCbCr. For any other file,
  an error, a warning, or a host without the library the result is None. So it never decides pixels,
  and never refuses a file.

The library is that in the wheel `turbojpeg`, where there is one for this Python and processor, else
the distribution's, if that is version 3 or newer.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import suppress
from ctypes.util import find_library
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]  # left, top, right, bottom, in pixels

# As Debian, Fedora and Alpine call it, and where libjpeg-turbo's own packages and Homebrew have it.
NAMES = (
    "libturbojpeg.so.0",
    "libturbojpeg.so",
    "/opt/libjpeg-turbo/lib64/libturbojpeg.so",
    "/opt/libjpeg-turbo/lib/libturbojpeg.so",
    "libturbojpeg.dylib",
    "/opt/homebrew/opt/jpeg-turbo/lib/libturbojpeg.dylib",
    "/usr/local/opt/jpeg-turbo/lib/libturbojpeg.dylib",
)
MARGIN = 1  # pixels beside the rectangle that smooth chroma upsampling reads
BLOCK = 32  # the widest column of blocks: 4:1:1; a multiple of all others
MOST = 0.95  # share of the photo above which a part saves almost nothing

_DECOMPRESS, _RGB = 1, 0  # enum TJINIT, enum TJPF
_WIDTH, _HEIGHT, _PRECISION, _COLOURS, _PROGRESSIVE, _ARITHMETIC, _LOSSLESS = 5, 6, 7, 8, 12, 14, 15
_YCBCR, _GREY = 1, 2  # enum TJCS


class _Region(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("x", "y", "w", "h")]


class _Factor(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("num", "denom")]


def shrunken(length: int, shrink: int) -> int:
    """The pixels of a side of `length` pixels that is shrunken."""
    return -(-length // shrink)


def decode_part(
    data: bytes, choose: Callable[[int, int], Box | None], shrink: int = 1
) -> NDArray[np.uint8] | None:
    """The photo with a rectangle filled in; None: decode it whole.

    choose: (width, height) -> the rectangle that is needed, within the photo, or None for all.
    shrink: 1, 2, 4 or 8. The photo has this fraction of its pixels a side, rounded up; so have the
        width, height and rectangle of `choose`.
    """
    library = _library()
    if library is None:
        return None
    handle = library.tj3Init(_DECOMPRESS)
    if not handle:
        return None
    try:
        return _decode(library, handle, data, choose, shrink)
    finally:
        library.tj3Destroy(handle)


def _decode(
    library: ctypes.CDLL,
    handle: int,
    data: bytes,
    choose: Callable[[int, int], Box | None],
    shrink: int,
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
    if shrink > 1 and library.tj3SetScalingFactor(handle, _Factor(1, shrink)):
        return None
    width, height = shrunken(width, shrink), shrunken(height, shrink)
    box = choose(width, height)
    if box is None:
        return None
    first, top, last, _ = map(int, box)  # ctypes takes no numbers of numpy
    left = max(min(first - MARGIN, width - BLOCK), 0) // BLOCK * BLOCK
    right = min(max(last + MARGIN, left + BLOCK), width)
    if (right - left) * (height - top) > MOST * width * height:
        return None
    region = _Region(left, top, right - left, height - top)
    if library.tj3SetCroppingRegion(handle, region):
        return None
    photo = np.empty((height, width, 3), np.uint8)
    start = photo.ctypes.data + (top * width + left) * 3
    wrong = library.tj3Decompress8(handle, data, len(data), start, width * 3, _RGB)
    return None if wrong else photo


def where() -> str:
    """The file that libturbojpeg was loaded from; "" where no version here is new enough."""
    library = _library()
    if library is None:
        return ""
    try:  # the loader knows where it has found a bare name
        maps = Path("/proc/self/maps").read_text().splitlines()
    except OSError:  # not Linux
        maps = []
    paths = [line.partition("/")[2] for line in maps if "libturbojpeg" in line]
    return f"/{paths[0]}" if paths else str(library._name)


@cache
def _library() -> ctypes.CDLL | None:
    """libturbojpeg 3 or newer, or None."""
    for name in _candidates():
        with suppress(OSError, AttributeError):  # not there; or an older one, without these names
            library = ctypes.CDLL(name)
            pointer, number = ctypes.c_void_p, ctypes.c_int
            packed = (pointer, ctypes.c_char_p, ctypes.c_size_t)
            library.tj3Init.argtypes, library.tj3Init.restype = (number,), pointer
            library.tj3Destroy.argtypes, library.tj3Destroy.restype = (pointer,), None
            library.tj3DecompressHeader.argtypes = packed
            library.tj3Get.argtypes = (pointer, number)
            library.tj3SetScalingFactor.argtypes = (pointer, _Factor)
            library.tj3SetCroppingRegion.argtypes = (pointer, _Region)
            library.tj3Decompress8.argtypes = (*packed, pointer, number, number)
            return library
    return None


def _candidates() -> Iterator[str]:
    """Where the library may be, as names for the loader."""
    yield from _wheel()
    yield from NAMES
    if found := find_library("turbojpeg"):  # the last, since it asks other programs
        yield found


def _wheel() -> list[str]:
    """The library inside the wheel `turbojpeg`, if that is installed."""
    found = find_spec("turbojpeg")
    if found is None or found.origin is None:
        return []
    return sorted(map(str, Path(found.origin).parent.glob("turbojpeg.libs/libturbojpeg*")))
