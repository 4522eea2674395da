"""libtiff's warnings and errors about the pixels of a TIFF, which Pillow does not pass on.

    check(data)  raises BadRecord if libtiff warns or fails over a strip or tile of the photo

libtiff decodes the compressed kinds of TIFF for Pillow. It fills pixels that it cannot decode with
arbitrary values, warns or writes an error to stderr, and often still reports success. Pillow
switches the warnings off and never sees the text of an error. So each strip or tile is first
decoded here, by the library that Pillow is linked to, with handlers for this file only.

- Messages while libtiff reads the directory are about tags: they count only if the file cannot be
  opened.
- libtiff's own output to stderr is switched off for the process, since the messages are known here.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from pushfit.errors import BadRecord

MOST_BYTES = 1 << 31  # most memory that libtiff may allocate at once
LONGEST = 300  # most characters of a message
# Messages over undamaged pixels: an old way of compression, a number in a header.
_HARMLESS = ("Old-style LZW codes", "Warning: unknown JFIF revision")
_OLD_JPEG = "OJPEG"  # modules of libtiff that warn of every file of that kind

_POINTER, _INT, _SIZE = ctypes.c_void_p, ctypes.c_int, ctypes.c_uint64
_SIGNED, _UNSIGNED, _TEXT = ctypes.c_ssize_t, ctypes.c_uint32, ctypes.c_char_p
_Transfer = ctypes.CFUNCTYPE(_SIGNED, _POINTER, _POINTER, _SIGNED)
_Seek = ctypes.CFUNCTYPE(_SIZE, _POINTER, _SIZE, _INT)
_Close = ctypes.CFUNCTYPE(_INT, _POINTER)
_Length = ctypes.CFUNCTYPE(_SIZE, _POINTER)
_Map = ctypes.CFUNCTYPE(_INT, _POINTER, ctypes.POINTER(_POINTER), ctypes.POINTER(_SIZE))
_Unmap = ctypes.CFUNCTYPE(None, _POINTER, _POINTER, _SIZE)
_Say = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _TEXT, _TEXT, _POINTER)


def check(data: bytes, most: int) -> int:
    """Decode all strips or tiles of the first picture, and return the size of one in bytes.

    most: most bytes of a strip or tile.
    Raises BadRecord; OSError if this host has no libtiff, since the file is not to blame.
    """
    library = quiet()
    if library is None:
        raise OSError(
            errno.ENOSYS, "this host's Pillow has no libtiff 4.5 or newer: install Pillow's wheel"
        )
    said: list[str] = []
    with _opened(library, data, said) as tiff:
        if tiff is None:
            raise BadRecord(f"a damaged or unsupported TIFF: {_first(said)}")
        said.clear()
        tiled = library.TIFFIsTiled(tiff)
        count = (library.TIFFNumberOfTiles if tiled else library.TIFFNumberOfStrips)(tiff)
        size = (library.TIFFTileSize64 if tiled else library.TIFFStripSize64)(tiff)
        if not 0 < size <= most:
            raise BadRecord(
                f"a TIFF in strips or tiles of {size:,} bytes, over the limit of {most:,}: "
                "damaged, or save it in smaller ones"
            )
        read = library.TIFFReadEncodedTile if tiled else library.TIFFReadEncodedStrip
        pixels = ctypes.create_string_buffer(size)
        for number in range(count):
            if read(tiff, number, pixels, -1) < 0 or said:
                raise BadRecord(f"a damaged TIFF: {_first(said)}")
    return int(size)


def _first(said: list[str]) -> str:
    return said[0] if said else "libtiff cannot decode it"


@contextmanager
def _opened(library: ctypes.CDLL, data: bytes, said: list[str]) -> Iterator[int | None]:
    """A handle on `data`, or None. libtiff's messages go to `said`."""
    start, at = ctypes.cast(ctypes.c_char_p(data), _POINTER).value or 0, 0

    def read(_handle: int, into: int, size: int) -> int:  # only for the header: the rest is mapped
        nonlocal at
        size = max(min(size, len(data) - at), 0)
        ctypes.memmove(into, start + at, size)
        at += size
        return size

    def seek(_handle: int, offset: int, whence: int) -> int:
        nonlocal at
        at = offset + (0, at, len(data))[whence]
        return at

    def give(_handle: int, base: Any, length: Any) -> int:
        base[0], length[0] = start, len(data)
        return 1

    errors, warnings = _saying(said, warning=False), _saying(said, warning=True)
    options = library.TIFFOpenOptionsAlloc()
    library.TIFFOpenOptionsSetErrorHandlerExtR(options, errors, None)
    library.TIFFOpenOptionsSetWarningHandlerExtR(options, warnings, None)
    library.TIFFOpenOptionsSetMaxSingleMemAlloc(options, MOST_BYTES)
    calls = (
        _Transfer(read),
        _Transfer(lambda _handle, _from, _size: -1),  # nothing is written
        _Seek(seek),
        _Close(lambda _handle: 0),
        _Length(lambda _handle: len(data)),
        _Map(give),
        _Unmap(lambda _handle, _base, _size: None),
    )
    tiff = library.TIFFClientOpenExt(b"photo", b"r", None, *calls, options)
    try:
        yield tiff
    finally:
        if tiff:
            library.TIFFClose(tiff)
        library.TIFFOpenOptionsFree(options)


def _saying(said: list[str], *, warning: bool) -> Callable[..., int]:
    """A handler for libtiff that notes each message about pixels, in one line."""

    def say(_tiff: int, _data: int, module: bytes, form: bytes, arguments: int) -> int:
        text = ctypes.create_string_buffer(LONGEST)
        _formatter()(text, LONGEST, form, arguments)
        line = " ".join(text.value.decode("utf-8", "replace").split())
        source = (module or b"").decode("utf-8", "replace")
        harmless = line.startswith(_HARMLESS) or source.startswith(_OLD_JPEG)
        if not (warning and harmless):
            said.append(line)
        return 1

    return _Say(say)


@cache
def _formatter() -> Callable[..., int]:
    """C's vsnprintf."""
    function = ctypes.CDLL(None).vsnprintf
    function.argtypes = (_TEXT, ctypes.c_size_t, _TEXT, _POINTER)
    return function


@cache
def quiet() -> ctypes.CDLL | None:
    """The libtiff of Pillow, or None. From now on it prints nothing by itself."""
    from PIL import _imaging

    try:
        library = ctypes.CDLL(_imaging.__file__)  # finds the symbols of linked libraries, too
        library.TIFFSetErrorHandler.argtypes = (_POINTER,)
        library.TIFFSetErrorHandler(None)
        library.TIFFOpenOptionsAlloc.restype = _POINTER
        library.TIFFOpenOptionsFree.argtypes = (_POINTER,)
        library.TIFFOpenOptionsFree.restype = None
        for name in ("Error", "Warning"):
            hear = getattr(library, f"TIFFOpenOptionsSet{name}HandlerExtR")
            hear.argtypes, hear.restype = (_POINTER, _Say, _POINTER), None
        library.TIFFOpenOptionsSetMaxSingleMemAlloc.argtypes = (_POINTER, _SIGNED)
        library.TIFFOpenOptionsSetMaxSingleMemAlloc.restype = None
        calls = (_Transfer, _Transfer, _Seek, _Close, _Length, _Map, _Unmap)
        library.TIFFClientOpenExt.argtypes = (_TEXT, _TEXT, _POINTER, *calls, _POINTER)
        library.TIFFClientOpenExt.restype = _POINTER
        for kind in ("Strip", "Tile"):
            size, number = (
                getattr(library, name) for name in (f"TIFF{kind}Size64", f"TIFFNumberOf{kind}s")
            )
            size.argtypes, size.restype = (_POINTER,), _SIZE
            number.argtypes, number.restype = (_POINTER,), _UNSIGNED
            read = getattr(library, f"TIFFReadEncoded{kind}")
            read.argtypes, read.restype = (_POINTER, _UNSIGNED, _POINTER, _SIGNED), _SIGNED
        library.TIFFIsTiled.argtypes = library.TIFFClose.argtypes = (_POINTER,)
        library.TIFFClose.restype = None
    except (OSError, AttributeError):  # Pillow has no libtiff, an older one, or one built in
        return None
    return library
