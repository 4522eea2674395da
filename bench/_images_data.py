"""Photos as ImageNet has them, for `bench images`: small JPEGs of many sizes in a folder a class.

    OUT/train/CLASS/NNNN.jpg    mostly 500 pixels wide and 333 to 400 high, a fifth of them upright
    OUT/images.json             how they were made; the mark of a finished folder

Each is a random part of one of the large photos of `_data.photos`, resized by Pillow, with grain:
without it, simulated photos have half the bytes of real ones, and take less time to decode. Every
class has parts of every photo: what is measured is speed, and a model would learn nothing from
them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pushfit.errors import OutputError
from pushfit.files import making

MARK = "images.json"


@dataclass(frozen=True)
class Plan:
    """How many photos in how many classes, and how they are compressed.

    version: has to rise with every change of how they are made.
    """

    version: int = 1
    photos: int = 2000
    classes: int = 10
    quality: int = 90
    longest: int = 500  # pixels of the longer side
    grain: tuple[float, float] = (2.0, 14.0)  # least and most standard deviation, of 255


def make(out: Path, large: Path, plan: Plan) -> None:
    """Make the folder `out` from the photos in `large`, where it is not there already.

    Raises OutputError if `out` holds anything else or cannot be written.
    """
    mark = json.dumps(asdict(plan), indent=2) + "\n"
    if out.exists():
        if not (out / MARK).is_file() or (out / MARK).read_text(encoding="utf-8") != mark:
            raise OutputError(f"{out} holds other photos: delete it, and the bench makes them anew")
        return
    with making(out) as unfinished:
        _cut(unfinished, sorted(large.glob("*/*/*.jpg")), plan)
        (unfinished / MARK).write_text(mark, encoding="utf-8")


def _cut(out: Path, large: list[Path], plan: Plan) -> None:
    from PIL import Image

    for number, path in enumerate(large):
        with Image.open(path) as opened:
            photo = opened.convert("RGB")
        for n in range(number, plan.photos, len(large)):
            rng = np.random.Generator(np.random.Philox(n))
            width, height = _size(plan.longest, rng)
            scale = min(photo.width / width, photo.height / height) * rng.uniform(0.3, 1.0)
            x = rng.uniform(0, photo.width - width * scale)
            y = rng.uniform(0, photo.height - height * scale)
            box = (x, y, x + width * scale, y + height * scale)
            small = photo.resize((width, height), Image.Resampling.LANCZOS, box)
            folder = out / "train" / f"class{n % plan.classes}"
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"{n // plan.classes:04}.jpg"
            grained = Image.fromarray(_grained(np.asarray(small), plan, rng))
            grained.save(file, quality=plan.quality, subsampling="4:2:0")


def _grained(photo: np.ndarray, plan: Plan, rng: np.random.Generator) -> np.ndarray:
    """`photo` (height, width, 3) uint8 with the same noise in its three channels."""
    noise = rng.normal(0, rng.uniform(*plan.grain), (*photo.shape[:2], 1))
    return (photo + noise).clip(0, 255).round().astype(np.uint8)


def _size(longest: int, rng: np.random.Generator) -> tuple[int, int]:
    """Width and height in pixels: three quarters as high as wide in the middle."""
    shorter = round(longest * rng.uniform(0.666, 0.8))
    return (shorter, longest) if rng.random() < 0.2 else (longest, shorter)
