"""Bytes of a photo to pixels: strict, by content, the same on every host.

    decode(data) -> (H, W, 3) uint8, C-contiguous, or BadRecord with a reason for a person

What a file holds is read from its first bytes, never from its ending. What each kind becomes:

    JPEG grey                    the grey in all three channels
    JPEG YCbCr, RGB              libjpeg-turbo, accurate DCT, smooth chroma: Pillow's pixels exactly
    JPEG CMYK, YCCK              inverted, as Adobe writes it, then Pillow's CMYK -> RGB
    MPO, animation, many pages   the first picture
    PNG, TIFF grey, palette, 1 bit   scaled or looked up to 8-bit RGB
    16-bit grey, RGB             the high byte of each value
    alpha, transparent colour    dropped where opaque, else laid over white, as a viewer shows it
                                 (a transparent colour in a 16-bit PNG is ignored)
    CMYK, YCbCr TIFF             Pillow's conversion
    float, 12-bit, 32-bit, signed, Lab   BadRecord: no scale to 8 bits is known
    any other file               BadRecord, naming what the file seems to be
    EXIF orientation             ignored: pixels stay as the sensor wrote them, since a camera's
                                 traces (colour filter, JPEG grid, lens) lie on the sensor's grid

Broken pixels must not train. simplejpeg in strict mode turns every libjpeg *warning* into an error;
in 12,000 damaged headers and 1,770 cuts and overwrites it refused everything that Pillow refuses,
and much that Pillow lets pass (an early end inside a scan, bytes before a marker). So a JPEG is
decoded once. Decoding a part (`turbojpeg`) reads the file to its end all the same, and at the least
doubt the photo is decoded whole. A PNG has the CRC of every chunk checked first, since Pillow skips
that of the pixels. A warning from Pillow counts as an error.
"""

from __future__ import annotations

import io
import warnings
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from lib.errors import BadRecord
from lib.tasks import turbojpeg
from lib.tasks.turbojpeg import Box

if TYPE_CHECKING:  # Pillow is loaded for the first file that needs it: a JPEG does not
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

Photo = NDArray[np.uint8]

MAX_PIXELS = 256_000_000
"""More than any camera makes; a header that claims more is refused before memory is asked for."""

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OTHERS = {
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"8BPS": "a Photoshop file",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"version https://git-lfs": "a Git LFS pointer: run `git lfs pull`",
}
_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
_EIGHT = {"I;16", "I;16B", "I;16L", "I;16N"}
_BITS, _PHOTOMETRIC, _PLANAR = 258, 262, 284  # TIFF 6.0 tags


def decode(data: bytes) -> Photo:
    """The photo in `data` by the table above. Raises BadRecord."""
    if data.startswith(_JPEG):
        return _decode_jpeg(data)
    if data.startswith(_PNG):
        _check_png(data)
    elif not data.startswith(_TIFF):
        raise BadRecord(_what(data))
    return _decode_pillow(data)


def decode_part(data: bytes, choose: Callable[[int, int], Box | None]) -> Photo | None:
    """The photo in `data` with the pixels that are needed alone, or None: `decode` it whole.

    choose: (width, height) -> the rectangle that is needed, or None. What is broken anywhere in the
    file makes it None, too.
    """
    if not data.startswith(_JPEG):
        return None

    def bounded(width: int, height: int) -> Box | None:
        return choose(width, height) if width * height <= MAX_PIXELS else None

    return turbojpeg.decode_part(data, bounded)


def _decode_jpeg(data: bytes) -> Photo:
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
        _check_size(width, height)
        if space not in ("CMYK", "YCCK"):
            photo: Photo = simplejpeg.decode_jpeg(data, "RGB")
            return photo
        inverted = simplejpeg.decode_jpeg(data, "CMYK")
    except ValueError as error:
        raise BadRecord(_jpeg_reason(str(error))) from None
    from PIL import Image

    cmyk = Image.frombytes("CMYK", (width, height), (255 - inverted).tobytes())
    return np.array(cmyk.convert("RGB"))


def _jpeg_reason(error: str) -> str:
    """What libjpeg's message means to the owner of the photo."""
    if "Premature end of JPEG file" in error:
        return "truncated: the JPEG ends before its picture does"
    if "subsampling" in error:
        return "a JPEG cut off in its header, or with unusual chroma subsampling: save it again"
    if "Unsupported JPEG process" in error or "data precision" in error:
        return f"an unusual kind of JPEG: save it again as baseline ({error})"
    return f"a damaged JPEG: {error.removeprefix('Corrupt JPEG data: ')}"


def _check_png(data: bytes) -> None:
    """Walk the chunks: each whole, with the CRC that it states, up to IEND."""
    at = len(_PNG)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4])
        end = at + 8 + length
        if end + 4 > len(data):
            break
        name = data[at + 4 : at + 8]
        if zlib.crc32(memoryview(data)[at + 4 : end]) != int.from_bytes(data[end : end + 4]):
            raise BadRecord(f"a damaged PNG: wrong checksum in its {name!r} chunk at byte {at}")
        if name == b"IEND":
            return
        at = end + 4
    raise BadRecord("truncated: the PNG ends before its picture does")


def _decode_pillow(data: bytes) -> Photo:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            image = _open(data)
            _check_size(*image.size)
            image.load()
            return to_rgb(image)
        except (BadRecord, MemoryError):
            raise
        except Exception as error:  # hostile headers make Pillow's plugins raise anything
            kind = "PNG" if data.startswith(_PNG) else "TIFF"
            reason = str(error) or type(error).__name__
            raise BadRecord(f"a damaged or unsupported {kind}: {reason}") from None


def _open(data: bytes) -> ImageFile:
    """The plug-in itself, not Image.open: that imports every format and has its own size limit."""
    if data.startswith(_PNG):
        from PIL.PngImagePlugin import PngImageFile

        png = PngImageFile(io.BytesIO(data))
        if data[24] == 16:  # bits a channel: Pillow would compare 16-bit keys with 8-bit pixels
            png.info.pop("transparency", None)
        return png
    from PIL.TiffImagePlugin import TiffImageFile

    tiff = TiffImageFile(io.BytesIO(data))
    bits = tiff.tag_v2.get(_BITS, (1,))
    if 12 in bits or (max(bits) > 8 and tiff.tag_v2.get(_PLANAR) == 2):
        raise BadRecord("a TIFF of 12 bits, or of 16 in planes: save it as 8-bit RGB")
    return tiff


def to_rgb(image: Image) -> Photo:
    """The pixels of a picture that Pillow opened, by the table above. Raises BadRecord."""
    if image.mode in _EIGHT:
        high = (np.asarray(image) >> 8).astype(np.uint8)
        tags = getattr(image, "tag_v2", {})
        if tags.get(_PHOTOMETRIC) == 0:  # white is zero; Pillow inverts only 8 bits and fewer
            high = 255 - high
        return np.repeat(high[:, :, None], 3, axis=2)
    if image.mode not in _MODES:
        raise BadRecord(
            f"pixels of kind {image.mode!r} (float, 32-bit, signed or Lab) have no agreed scale "
            "to 8 bits: save it as 8- or 16-bit grey or RGB"
        )
    return np.array((_over_white(image) if image.has_transparency_data else image).convert("RGB"))


def _over_white(image: Image) -> Image:
    from PIL import Image as pillow

    rgba = image.convert("RGBA")
    if rgba.getchannel("A").getextrema() == (255, 255):
        return rgba
    return pillow.alpha_composite(pillow.new("RGBA", rgba.size, "white"), rgba)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BadRecord(
            f"its header claims {width} x {height} pixels, over the limit of "
            f"{MAX_PIXELS // 1_000_000} million: damaged, or not a photo"
        )


def _what(data: bytes) -> str:
    """What a file that is no photo seems to be."""
    if not data:
        return "an empty file (0 bytes): copy it again"
    for magic, name in _OTHERS.items():
        if data.startswith(magic):
            return f"{name}, not a JPEG, PNG or TIFF"
    if data[8:12] == b"WEBP":
        return "a WebP, not a JPEG, PNG or TIFF"
    if data[4:8] == b"ftyp":
        return "a HEIC, AVIF or video file, not a JPEG, PNG or TIFF"
    if not any(data[:64]):
        return "a file that begins with zeros: an interrupted copy?"
    if data[:64].isascii() and data[:64].decode().replace("\n", "").strip().isprintable():
        return f"text, not a photo: it begins {data[:24].decode()!r}"
    return f"not a JPEG, PNG or TIFF: it begins with bytes {data[:8].hex(' ')}"
