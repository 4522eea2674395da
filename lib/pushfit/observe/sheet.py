"""A contact sheet: labelled thumbnails in a PNG that show what goes into `fit`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pushfit.files import replacing
from pushfit.text import one_line

CELL = 128  # least width of a cell in pixels, so that a caption fits
GAP = 8
FONT_SIZE = 13
LINES = 2  # lines of the caption under an image
_PAPER, _INK = (255, 255, 255), (32, 32, 32)


def contact_sheet(
    images: np.ndarray, captions: Sequence[str], path: Path, columns: int = 8
) -> None:
    """Write `images` to the PNG `path`, each with its caption under it, in rows of `columns`.

    images: (N, H, W, 3) or (N, H, W, 1) uint8, N ≥ 1. Small images are enlarged by a whole factor,
        so that each pixel becomes a square.
    captions: N texts, which are wrapped to two lines and then cut.
    path: the PNG file.
    columns: images in a row.

    Raises ValueError for arrays of another kind, OutputError if `path` cannot be written.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(f"images must be (N, H, W, 3) uint8, not {images.shape} {images.dtype}")
    if not len(images) or len(images) != len(captions):
        raise ValueError(f"{len(images)} images with {len(captions)} captions")
    count, height, width, _ = images.shape
    zoom = max(1, -(-CELL // width))
    height, width = height * zoom, width * zoom
    columns = min(columns, count)
    font = ImageFont.load_default(FONT_SIZE)
    line = FONT_SIZE + 3
    cell_width, cell_height = width + GAP, height + LINES * line + GAP
    rows = -(-count // columns)
    sheet = Image.new("RGB", (columns * cell_width + GAP, rows * cell_height + GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for i, (pixels, caption) in enumerate(zip(images, captions, strict=True)):
        x = GAP + i % columns * cell_width
        y = GAP + i // columns * cell_height
        photo = Image.fromarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)).copy())
        sheet.paste(photo.resize((width, height), Image.Resampling.NEAREST), (x, y))
        for n, text in enumerate(_wrapped(caption, font, width)):
            draw.text((x, y + height + 2 + n * line), text, fill=_INK, font=font)
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG")


def _wrapped(
    text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> list[str]:
    """`text` in at most LINES lines of `width` pixels, broken anywhere; … shows that it is cut."""
    lines: list[str] = []
    rest = one_line(text.replace("\n", " "))
    while rest and len(lines) < LINES:
        end = len(rest)
        while end > 1 and font.getlength(rest[:end]) > width:
            end -= 1
        if end < len(rest):  # break after a word if one ends in the second half of the line
            space = rest.rfind(" ", end // 2, end + 1)
            end = space if space > 0 else end
        lines.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    if rest:
        last = lines[-1]
        while last and font.getlength(last + "…") > width:
            last = last[:-1]
        lines[-1] = last + "…"
    return lines
