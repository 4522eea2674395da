"""Decodes photos strictly, by their content, and to the same pixels on every host.

    decode(data) -> (H, W, 3) uint8, C-contiguous, or BadRecord with a reason for a person

The kind of a file follows from its first bytes (`kind`), never from its ending:

    JPEG grey                    the grey in all three channels
    JPEG YCbCr, RGB              libjpeg-turbo, accurate DCT, smooth chroma: Pillow's pixels exactly
    JPEG CMYK, YCCK              inverted, as Adobe writes it, then Pillow's CMYK -> RGB
    MPO, GIF, animation, many pages   the first picture
    PNG, TIFF, BMP, GIF, WebP grey, palette, 1 bit   scaled or looked up to 8-bit RGB
    16-bit grey, RGB             the high byte of each value
    alpha, transparent colour    dropped where opaque, else laid over white, as a viewer shows it
                                 (a transparent colour in a 16-bit PNG is ignored)
    CMYK, YCbCr TIFF             Pillow's conversion
    float, 12-bit, 32-bit, signed, Lab   BadRecord: no scale to 8 bits is known
    any other file               BadRecord, naming what the file seems to be
    EXIF orientation             ignored: pixels stay as the sensor wrote them, since a camera's
                                 traces (colour filter, JPEG grid, lens) lie on the sensor's grid

Damaged pixels must not be trained on, and undamaged ones must. An error outside of the pixels (in a
tag, a text, a profile, bytes between segments) does not count as damage.

- JPEG: simplejpeg in strict mode turns every libjpeg *warning* into an error; in 12,000 damaged
  headers and 1,770 cuts and overwrites it refused everything that Pillow refuses, and much that
  Pillow accepts. So a JPEG is decoded once; if that fails, once more without the parts of its
  header that are not needed for the picture (`jpeg.plain`). Decoding a part (`turbojpeg`) still
  reads the file to its end, and if anything is unusual, the photo is decoded whole.
- PNG: the checksums of the chunks that decide pixels, and the number of pixels (`png`).
- TIFF: libtiff's messages about each strip (`libtiff`), zlib's checksums (`deflate`), and that the
  strips cover the picture.
- Others: what Pillow refuses. A flipped bit in pixels without a checksum (BMP, GIF, WebP, a TIFF
  that is raw or LZW) cannot be detected.

A small file may take gigabytes or hours to decode, so its header is first checked against
MAX_PIXELS, MAX_BYTES and MAX_SCANS.
"""

from __future__ import annotations

import importlib
import io
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from pushfit.decoding import jpeg, png, tiff, turbojpeg
from pushfit.decoding.turbojpeg import Box, shrunken
from pushfit.errors import BadRecord

if TYPE_CHECKING:  # Pillow is loaded for the first file that needs it, which a JPEG does not
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

Photo = NDArray[np.uint8]

MAX_PIXELS = 256_000_000
"""Most pixels of a photo: more than any camera makes. A header with more is refused at once."""

MAX_BYTES = 1 << 31
"""Most memory for decoding one file. A larger one (a progressive JPEG of 240 megapixels) could
exhaust the memory of a host with several generators."""

MAX_SCANS = 100
"""Most scans of a JPEG: each costs a pass over its pixels. Encoders write about ten."""

MAX_PASSED = 10 * MAX_PIXELS
"""Most pixels of a JPEG times its scans: these take half a minute."""

HEAD = 64  # bytes that `kind` needs
KINDS = "JPEG, PNG, TIFF, WebP, BMP or GIF"
_PILLOW = {
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "WebP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
}
_OTHERS = {
    b"8BPS": "a Photoshop file",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"version https://git-lfs": "a Git LFS pointer: run `git lfs pull`",
}
_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
_EIGHT = {"I;16", "I;16B", "I;16L", "I;16N"}
_PHOTOMETRIC = 262  # TIFF 6.0 tag
_BAND = 1 << 20  # pixels that are converted at once
# The peak memory of decoding, in bytes for each pixel: Pillow's picture, and the photo.
_PILLOW_BYTES = {"PNG": 4 + 3, "TIFF": 4 + 3, "BMP": 4 + 3, "GIF": 2 * 4 + 3, "WebP": 4 * 4 + 3}


def kind(head: bytes) -> str:
    """The kind of a file that begins with `head`: "JPEG", "PNG", …; ``""``: it is not supported."""
    if head.startswith(jpeg.MAGIC):
        return "JPEG"
    if head.startswith(png.MAGIC):
        return "PNG"
    if head.startswith(tiff.MAGICS):
        return "TIFF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if head[:2] == b"BM" and head[6:10] == bytes(4) and len(head) > 14 and 12 <= head[14] <= 124:
        return "BMP"  # its two letters prove little, so reserved bytes and header size count, too
    return ""


def decode(data: bytes, shrink: int = 1) -> Photo:
    """The photo in `data` by the table above. Raises BadRecord.

    shrink: 1, or for a JPEG that `shrinks` also 2, 4 or 8: its pixels a side ÷ this, rounded up.
    """
    found = kind(data[:HEAD])
    if found == "JPEG":
        return _decode_jpeg(data, shrink)
    if not found:
        raise BadRecord(what(data))
    if found == "PNG":
        data = png.plain(data)
    elif found == "TIFF":
        data = tiff.without_orientation(data)
    return _decode_pillow(data, found)


def decode_part(
    data: bytes, choose: Callable[[int, int], Box | None], shrink: int = 1
) -> Photo | None:
    """The photo in `data` with only the needed pixels filled in; None: `decode` it whole.

    choose: (width, height) -> the rectangle that is needed, or None for all.
    shrink: as for `decode`; the width, height and rectangle of `choose` are shrunken, too.

    It is None, too, if anything in the file is damaged.
    """
    frame = jpeg.frame(data) if data.startswith(jpeg.MAGIC) else None
    if frame is None or frame.progressive:
        return None

    def bounded(width: int, height: int) -> Box | None:
        return choose(width, height) if width * height * shrink**2 <= MAX_PIXELS else None

    return turbojpeg.decode_part(data, bounded, shrink)


def shrinks(frame: jpeg.Frame | None) -> bool:
    """Return whether a JPEG with this header can be decoded shrunken: it is grey, YCbCr or RGB."""
    return frame is not None and frame.components != 4


def orientation(data: bytes) -> int:
    """EXIF's orientation of the picture in `data`, 1 to 8; 1 also where none is given."""
    found = kind(data[:HEAD])
    if found == "JPEG":
        value = tiff.orientation(jpeg.exif(data))
    elif found == "TIFF":
        value = tiff.orientation(data)
    elif found in ("PNG", "WebP"):
        with warnings.catch_warnings(), suppress(Exception):  # a hostile header may raise anything
            warnings.simplefilter("ignore")
            value = _open(data, found).getexif().get(tiff.ORIENTATION, 1)
            return value if value in range(1, 9) else 1
        return 1
    else:
        return 1
    return value


def many_scans(data: bytes) -> str:
    """Why the scans of a JPEG would take too long; ``""``: they would not."""
    if data.count(b"\xff\xda") <= MAX_PASSED // MAX_PIXELS:
        return ""
    count, frame = jpeg.scans(data, MAX_SCANS), jpeg.frame(data)
    pixels = frame.width * frame.height if frame else 0
    if count <= MAX_SCANS and count * pixels <= MAX_PASSED:
        return ""
    many = f"more than {MAX_SCANS}" if count > MAX_SCANS else str(count)
    return f"a JPEG of {many} scans, each of which costs a pass over all pixels: save it again"


def _decode_jpeg(data: bytes, shrink: int) -> Photo:
    frame = jpeg.frame(data)
    if frame is None:
        raise BadRecord("truncated, or not a JPEG: it has no header of a picture")
    # A progressive JPEG is kept as coefficients of two bytes until its last scan has been read.
    memory = frame.width * frame.height * (3 if frame.components < 4 else 4 + 3)
    _check_size(frame.width, frame.height, memory + 2 * frame.samples * frame.progressive)
    if frame.progressive and (reason := many_scans(data)):
        raise BadRecord(reason)
    try:
        return _decode_strictly(data, frame, shrink)
    except ValueError as error:
        plain = jpeg.plain(data)
        if plain != data:
            with suppress(ValueError):
                return _decode_strictly(plain, frame, shrink)
        raise BadRecord(_jpeg_reason(str(error))) from None


def _decode_strictly(data: bytes, frame: jpeg.Frame, shrink: int) -> Photo:
    """The photo. Raises ValueError, also if libjpeg only warns."""
    if shrinks(frame):
        height, width = (shrunken(side, shrink) for side in (frame.height, frame.width))
        # The smallest size that is at least this one: so it is exactly this one.
        least = {"min_height": height, "min_width": width, "min_factor": 1} if shrink > 1 else {}
        photo: Photo = simplejpeg.decode_jpeg(data, "RGB", **least)
        return photo
    inverted = simplejpeg.decode_jpeg(data, "CMYK")
    from PIL import Image

    def converted(rows: slice) -> Photo:
        part = 255 - inverted[rows]
        cmyk = Image.frombytes("CMYK", (part.shape[1], part.shape[0]), part.tobytes())
        return np.asarray(cmyk.convert("RGB"))

    return _by_bands(frame.width, frame.height, converted)


def _jpeg_reason(error: str) -> str:
    """The meaning of libjpeg's message, in words for the owner of the photo."""
    if "Premature end of JPEG file" in error:
        return "truncated: the JPEG ends before its picture does"
    if "subsampling" in error:
        return "a JPEG cut off in its header, or with unusual chroma subsampling: save it again"
    if "Unsupported JPEG process" in error or "data precision" in error:
        return f"an unusual kind of JPEG: save it again as baseline ({error})"
    return f"a damaged JPEG: {error.removeprefix('Corrupt JPEG data: ')}"


def _decode_pillow(data: bytes, found: str) -> Photo:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns only of metadata, never of damaged pixels
        try:
            image = _open(data, found)
            width, height = image.size
            memory = width * height * _PILLOW_BYTES[found]
            _check_size(width, height, memory)
            if found == "PNG":
                png.check(data)
            elif found == "TIFF":
                tiff.check(image, data, MAX_BYTES - memory)  # type: ignore[arg-type]
            image.load()
            return to_rgb(image)
        except (BadRecord, MemoryError):
            raise
        except OSError as error:
            if error.errno is not None:  # an error of this host, not of the file
                raise
            raise _damaged(found, error) from None
        except Exception as error:  # with a hostile header, Pillow's plugins may raise anything
            raise _damaged(found, error) from None


def _damaged(found: str, error: Exception) -> BadRecord:
    return BadRecord(f"a damaged or unsupported {found}: {str(error) or type(error).__name__}")


def _open(data: bytes, found: str) -> ImageFile:
    """The picture, opened by its plug-in: Image.open imports all formats and has its own limit."""
    module, plug_in = _PILLOW[found]
    image: ImageFile = getattr(importlib.import_module(module), plug_in)(io.BytesIO(data))
    if found == "PNG" and data[24] == 16:
        # The channels have 16 bits: Pillow would compare a 16-bit key with 8-bit pixels.
        image.info.pop("transparency", None)
    return image


def to_rgb(image: Image) -> Photo:
    """The pixels of a picture that Pillow opened, by the table above. Raises BadRecord."""
    if image.mode not in _MODES | _EIGHT:
        raise BadRecord(
            f"pixels of kind {image.mode!r} (float, 32-bit, signed or Lab) have no agreed scale "
            "to 8 bits: save it as 8- or 16-bit grey or RGB"
        )
    tags = getattr(image, "tag_v2", {})
    inverted = tags.get(_PHOTOMETRIC) == 0  # white is zero; Pillow inverts only 8 bits and fewer
    width, height = image.size
    image.load()  # otherwise `crop` would load the picture for each band

    def converted(rows: slice) -> Photo:
        part = image.crop((0, rows.start, width, rows.stop))
        if part.mode in _EIGHT:
            high = (np.asarray(part) >> 8).astype(np.uint8)
            return (255 - high if inverted else high)[:, :, None]
        opaque = _over_white(part) if part.has_transparency_data else part
        return np.asarray(opaque.convert("RGB"))

    return _by_bands(width, height, converted)


def _by_bands(width: int, height: int, converted: Callable[[slice], Photo]) -> Photo:
    """(height, width, 3) uint8, converted a few rows at once to save memory.

    converted: rows → (rows, width, 3 or 1) uint8.
    """
    photo = np.empty((height, width, 3), np.uint8)
    step = max(_BAND // max(width, 1), 1)
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height))
        photo[rows] = converted(rows)
    return photo


def _over_white(image: Image) -> Image:
    from PIL import Image as pillow

    rgba = image.convert("RGBA")
    if rgba.getchannel("A").getextrema() == (255, 255):
        return rgba
    return pillow.alpha_composite(pillow.new("RGBA", rgba.size, "white"), rgba)


def _check_size(width: int, height: int, memory: int) -> None:
    """Raise BadRecord if the picture is too large, or if decoding takes more than `memory` allows.

    memory: bytes that decoding takes.
    """
    if width * height > MAX_PIXELS:
        raise BadRecord(
            f"its header claims {width} x {height} pixels, over the limit of "
            f"{MAX_PIXELS // 1_000_000} million: damaged, or not a photo"
        )
    if memory > MAX_BYTES:
        raise BadRecord(
            f"its header claims {width} x {height} pixels of a kind that takes "
            f"{memory / (1 << 30):.1f} GiB to decode, over the limit of {MAX_BYTES >> 30}: "
            "save it smaller, or as a baseline JPEG"
        )


def what(data: bytes) -> str:
    """A description of a file that is not a supported picture.

    data: at least its first HEAD bytes, or all of it.
    """
    if not data:
        return "an empty file (0 bytes): copy it again"
    for magic, name in _OTHERS.items():
        if data.startswith(magic):
            return f"{name}, not a {KINDS}"
    if data[4:8] == b"ftyp":
        return f"a HEIC, AVIF or video file, not a {KINDS}: save it as one of these"
    if not any(data[:64]):
        return "a file that begins with zeros, as after an interrupted copy: copy it again"
    if data[:64].isascii() and data[:64].decode().replace("\n", "").strip().isprintable():
        return f"text, not a photo: it begins {data[:24].decode()!r}"
    return f"not a {KINDS}: it begins with bytes {data[:8].hex(' ')}"
