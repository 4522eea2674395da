"""An upload to pixels: whatever people send that is a picture, within limits checked first.

PNG, JPEG, GIF, WebP, BMP and TIFF, by content; of several pictures in one file, the first. What
each kind of pixel becomes is the table of `lib/tasks/images`. Unlike there, a warning of Pillow is
no reason to refuse a picture; what cannot be decoded is.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lib.errors import BadRecord
from lib.tasks import images

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
MAX_SCANS = 100  # of a progressive JPEG: each costs all its pixels; encoders write about ten
_SCAN = b"\xff\xda"


class NotAPicture(BadRecord):
    """The bytes are no picture that can be read."""


class TooLarge(BadRecord):
    """It has more pixels than are allowed."""


def prepare() -> None:
    """Once a process: Pillow's warnings would go to stderr, and stop nothing."""
    warnings.filterwarnings("ignore", module=r"PIL\.")


def decode(data: bytes, max_pixels: int, *, upright: bool) -> np.ndarray:
    """(H, W, 3) uint8. Raises NotAPicture and TooLarge.

    upright: whether to turn it as its EXIF data says.
    """
    if not data:
        raise NotAPicture("the file is empty (0 bytes)")
    too_many = TooLarge(f"the picture has too many pixels: at most {max_pixels:,} are taken")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise too_many
            if image.format in ("JPEG", "MPO") and data.count(_SCAN) > MAX_SCANS:
                raise NotAPicture("a JPEG of unusually many scans: save it again")
            image.load()
            # Palettes and 16 bits are turned as they are; the table comes last.
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
            "this is no picture that can be read: send a PNG, JPEG, GIF, WebP, BMP or TIFF"
        ) from None
    except Exception as error:  # hostile headers make Pillow's plugins raise anything
        reason = str(error) or type(error).__name__
        raise NotAPicture(f"the picture is damaged or of an unusual kind: {reason}") from None
