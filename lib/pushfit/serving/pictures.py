"""Decodes an uploaded picture, within limits that are checked first.

PNG, JPEG, GIF, WebP, BMP and TIFF are recognized by their content. If a file has several pictures,
the first is used. The table in `pushfit.decoding.images` says what each kind of pixel becomes.
Unlike there, a picture is not refused for a warning of Pillow, only if it cannot be decoded.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pushfit.decoding import images, libtiff, tiff
from pushfit.errors import BadRecord

LONGEST = 65_535  # most pixels of a side, as in JPEG, since Pillow keeps a pointer for each row
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")


class NotAPicture(BadRecord):
    """The bytes are not a picture that can be read."""


class TooLarge(BadRecord):
    """The picture has more pixels than are allowed."""


def prepare() -> None:
    """Switch Pillow's warnings off, which would only go to stderr. Call it once in a process."""
    warnings.filterwarnings("ignore", module=r"PIL\.")
    libtiff.quiet()  # its warnings would go there, too


def decode(data: bytes, max_pixels: int, *, upright: bool) -> np.ndarray:
    """The pixels of a picture: (H, W, 3) uint8. Raises NotAPicture and TooLarge.

    max_pixels: most pixels of a picture.
    upright: turn it as its EXIF data says.
    """
    if not data:
        raise NotAPicture("the file is empty (0 bytes)")
    too_many = TooLarge(f"the picture has too many pixels: at most {max_pixels:,} are accepted")
    if not upright:
        data = tiff.without_orientation(data)  # Pillow turns such a picture by itself
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise too_many
            if max(width, height) > LONGEST:
                raise TooLarge(f"the picture is too long: a side has at most {LONGEST:,} pixels")
            if image.format in ("JPEG", "MPO") and (reason := images.many_scans(data)):
                raise NotAPicture(reason)
            image.load()
            # Palettes and 16-bit pixels are turned before they are converted.
            return images.to_rgb(ImageOps.exif_transpose(image) if upright else image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # Pillow's own limit
        raise too_many from None
    except MemoryError:
        raise TooLarge("the picture does not fit in memory: send it smaller") from None
    except (NotAPicture, TooLarge):
        raise
    except BadRecord as error:
        raise NotAPicture(str(error)) from None
    except UnidentifiedImageError:
        raise NotAPicture(
            "this is not a picture that can be read: send a PNG, JPEG, GIF, WebP, BMP or TIFF"
        ) from None
    except Exception as error:  # with a hostile header, Pillow's plugins may raise anything
        reason = str(error) or type(error).__name__
        raise NotAPicture(f"the picture is damaged or of an unusual kind: {reason}") from None
