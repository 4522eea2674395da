"""`python -m lib.tasks.sample --out data/sample`: a small camera data set, made in seconds.

IT IS SIMULATED. It shows that the way from JPEGs to a trained model works; accuracy on it says
nothing about real cameras, whose traces are fainter and whose photos are richer.

    OUT/train/<Camera-Name>/NNN.jpg        photos to learn from
    OUT/val_images/<Camera-Name>/NNN.jpg   photos of other scenes, to judge by
    OUT/sample.json                        what made them; the mark of a finished sample

How a photo comes about:

    scene (`sample_scene`) -> lens and sensor -> demosaic -> denoise -> tone -> sharpen -> JPEG
                              (all `sample_camera`)

- Every camera photographs the same scenes, each with a framing, exposure and white balance of its
  own, drawn alike for all cameras. So content cannot tell cameras apart; only their traces can.
- Train and val share no scene. Both have every kind of scene in equal parts.
- The photos are a function of (VERSION, seed, numbers, size) and of the versions of numpy, Pillow
  and libjpeg. Raise VERSION with every change to how they come about.
- They are made in a hidden folder beside OUT, which is renamed when all are there: an interrupted
  run leaves no OUT behind.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from lib.errors import ConfigError, OutputError, PushFitError
from lib.files import making
from lib.tasks import sample_scene
from lib.tasks.sample_camera import CAMERAS

VERSION = 1
FRAMING = 64  # a scene is this many pixels larger than a photo, each way
MARK = "sample.json"
_PATTERN, _SCENE, _PHOTO = range(3)  # what a random generator is for


@dataclass(frozen=True)
class Plan:
    """What to make: photos a camera in `train` and `val_images`, each `height` × `width` pixels."""

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
                f"--height {self.height} --width {self.width}: give even numbers, for a sensor "
                "has its colours in cells of 2×2"
            )

    @property
    def splits(self) -> dict[str, int]:
        """Photos a camera, by folder."""
        return {"train": self.train, "val_images": self.val}

    @property
    def photos(self) -> int:
        """Photos of all cameras together."""
        return len(CAMERAS) * (self.train + self.val)

    def mark(self) -> dict[str, object]:
        """What `sample.json` holds."""
        return {
            "note": "simulated photos; accuracy on them says nothing about real cameras",
            "version": VERSION,
            "cameras": [camera.name for camera in CAMERAS],
            **asdict(self),
        }


def make(out: Path, plan: Plan) -> bool:
    """Make the sample `out`, or return False at once where that very sample is already there.

    Raises OutputError when `out` holds anything else or cannot be written.
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
            f"{key} {known.get(key)!r} there, {wanted[key]!r} wanted"
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
    """Every scene of every split by every camera, below `folder`."""
    height, width = plan.height, plan.width
    patterns = [
        camera.sensitivity(_rng(plan, _PATTERN, c), height, width)
        for c, camera in enumerate(CAMERAS)
    ]
    kinds = list(sample_scene.KINDS)
    for s, (split, count) in enumerate(plan.splits.items()):
        for camera in CAMERAS:
            (folder / split / camera.name).mkdir(parents=True)
        for n in range(count):
            scene_rng = _rng(plan, _SCENE, s, n)
            kind = kinds[n % len(kinds)]
            scene = sample_scene.draw(kind, scene_rng, height + FRAMING, width + FRAMING)
            for c, camera in enumerate(CAMERAS):
                rng = _rng(plan, _PHOTO, s, n, c)
                top, left = rng.integers(0, FRAMING + 1, 2)
                view = scene[top : top + height, left : left + width]
                if rng.random() < 0.5:
                    view = view[:, ::-1]
                path = folder / split / camera.name / f"{n + 1:03}.jpg"
                path.write_bytes(camera.photograph(view, patterns[c], rng))


def _rng(plan: Plan, purpose: int, *numbers: int) -> np.random.Generator:
    """Independent of every other by purpose and numbers. Always six words, for numpy takes seeds
    that differ in trailing zeros alone as equal."""
    words = [VERSION, plan.seed, purpose, *numbers]
    return np.random.default_rng(words + [0] * (6 - len(words)))


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m lib.tasks.sample",
        description="Make a small data set of simulated photos, to try PushFit with. "
        "Accuracy on it says nothing about real cameras.",
    )
    default = Plan()
    parser.add_argument("--out", type=Path, default=Path("data/sample"), help="folder to make")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--train", type=int, default=default.train, help="photos a camera")
    parser.add_argument("--val", type=int, default=default.val, help="photos a camera")
    parser.add_argument("--height", type=int, default=default.height, help="pixels")
    parser.add_argument("--width", type=int, default=default.width, help="pixels")
    settings = vars(parser.parse_args(argv))
    out: Path = settings.pop("out")
    start = time.monotonic()
    try:
        plan = Plan(**settings)
        made = make(out, plan)
    except PushFitError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    what = f"{plan.photos} simulated photos by {len(CAMERAS)} cameras"
    if made:
        print(f"{out}: made {what} in {time.monotonic() - start:.0f} s")
    else:
        print(f"{out}: {what} are already there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
