"""`pushfit samples --out data/sample`: a small camera data set, made in seconds.

THE PHOTOS ARE SIMULATED. They show that the way from JPEGs to a trained model works. Accuracy on
them says nothing about real cameras, whose traces are fainter and whose photos are richer.

    OUT/train/<Camera-Name>/NNN.jpg        photos to learn from
    OUT/val_images/<Camera-Name>/NNN.jpg   photos of other scenes, to judge by
    OUT/sample.json                        how they were made; the mark of a finished sample

A photo is made in these steps:

    scene (`scenes`) -> lens and sensor -> demosaic -> denoise -> tone -> sharpen -> JPEG
                              (all `cameras`)

- Every camera photographs the same scenes. The framing, exposure and white balance of each photo
  are drawn in the same way for all cameras. So only their traces distinguish the cameras, not the
  content.
- Train and val share no scene. Both have every kind of scene in equal parts.
- The photos are a function of (VERSION, seed, numbers, size) and of the versions of numpy, Pillow
  and libjpeg. Raise VERSION with every change of how they are made.
- They are made in a hidden folder beside OUT, which is renamed when all are there, so that an
  interrupted run leaves no OUT behind.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pushfit.errors import ConfigError, OutputError
from pushfit.files import making
from pushfit.samples import scenes
from pushfit.samples.cameras import CAMERAS

VERSION = 1
FRAMING = 64  # a scene is this many pixels larger than a photo, each way
MARK = "sample.json"
_PATTERN, _SCENE, _PHOTO = range(3)  # the purposes of random generators


@dataclass(frozen=True)
class Plan:
    """What to make: photos of each camera in `train` and `val_images`, of `height` × `width`."""

    seed: int = 0
    train: int = 24
    val: int = 12
    height: int = 384
    width: int = 512

    def __post_init__(self) -> None:
        for field, least in (("seed", 0), ("train", 1), ("val", 1), ("height", 64), ("width", 64)):
            if getattr(self, field) < least:
                raise ConfigError(f"--{field} is {getattr(self, field)}: give {least} or more")
        if self.height % 2 or self.width % 2:
            raise ConfigError(
                f"--height {self.height} --width {self.width}: give even numbers, since a sensor "
                "has its colours in cells of 2×2"
            )

    @property
    def splits(self) -> dict[str, int]:
        """The number of photos of each camera, by folder."""
        return {"train": self.train, "val_images": self.val}

    @property
    def megapixels(self) -> float:
        return self.height * self.width / 1e6

    @property
    def photos(self) -> int:
        """The number of photos of all cameras."""
        return len(CAMERAS) * (self.train + self.val)

    def mark(self) -> dict[str, object]:
        """The content of `sample.json`."""
        return {
            "note": "simulated photos; accuracy on them says nothing about real cameras",
            "version": VERSION,
            "cameras": [camera.name for camera in CAMERAS],
            **asdict(self),
        }


WHAT = {
    "seed": "seed of every random choice",
    "train": "photos of each camera to train on",
    "val": "photos of each camera to validate on",
    "height": "pixels",
    "width": "pixels",
}
LARGE = Plan(train=3, val=1, height=3000, width=4000)  # as cameras make them; two minutes of work


def make(out: Path, plan: Plan) -> bool:
    """Make the sample `out`. Returns False at once if the same sample is already there.

    Raises OutputError if `out` holds anything else or cannot be written.
    """
    if _is_there(out, plan):
        return False
    with making(out) as unfinished:
        _photograph(unfinished, plan)
        (unfinished / MARK).write_text(json.dumps(plan.mark(), indent=2) + "\n")
    return True


def _is_there(out: Path, plan: Plan) -> bool:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if not out.is_dir():
        raise OutputError(f"{out} is a file: name another folder with --out")
    advice = "remove it to have it made again, or name another folder with --out"
    try:
        found = json.loads((out / MARK).read_text())
    except (OSError, ValueError):
        raise OutputError(f"{out} holds something other than a sample: {advice}") from None
    if found != plan.mark():
        wanted = plan.mark()
        known = found if isinstance(found, dict) else {}
        differs = ", ".join(
            f"{key} is {known.get(key)!r} there, not {wanted[key]!r}"
            for key in wanted
            if known.get(key) != wanted[key]
        )
        raise OutputError(f"{out} holds another sample ({differs}): {advice}")
    there = sum(
        (out / split / camera.name / f"{number:03}.jpg").is_file()
        for camera in CAMERAS
        for split, count in plan.splits.items()
        for number in range(1, count + 1)
    )
    if there != plan.photos:
        raise OutputError(f"{out} lacks {plan.photos - there} of {plan.photos} photos: {advice}")
    return True


def _photograph(folder: Path, plan: Plan) -> None:
    """Photograph every scene of every split with every camera, below `folder`."""
    height, width = plan.height, plan.width
    patterns = [
        camera.sensitivity(_rng(plan, _PATTERN, c), height, width)
        for c, camera in enumerate(CAMERAS)
    ]
    kinds = list(scenes.KINDS)
    for s, (split, count) in enumerate(plan.splits.items()):
        for camera in CAMERAS:
            (folder / split / camera.name).mkdir(parents=True)
        for n in range(count):
            scene_rng = _rng(plan, _SCENE, s, n)
            kind = kinds[n % len(kinds)]
            scene = scenes.draw(kind, scene_rng, height + FRAMING, width + FRAMING)
            for c, camera in enumerate(CAMERAS):
                rng = _rng(plan, _PHOTO, s, n, c)
                top, left = rng.integers(0, FRAMING + 1, 2)
                view = scene[top : top + height, left : left + width]
                if rng.random() < 0.5:
                    view = view[:, ::-1]
                path = folder / split / camera.name / f"{n + 1:03}.jpg"
                path.write_bytes(camera.photograph(view, patterns[c], rng))


def _rng(plan: Plan, purpose: int, *numbers: int) -> np.random.Generator:
    """A random generator that is independent of all with another purpose or other numbers.

    The seed always has six words, since numpy takes seeds as equal that differ only in trailing
    zeros.
    """
    words = [VERSION, plan.seed, purpose, *numbers]
    return np.random.default_rng(words + [0] * (6 - len(words)))
