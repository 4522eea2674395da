"""Camera model identification: which camera took the photo that this patch was cut from?

    read      reads one file
    decode    decodes the photo strictly (`images`); one that is smaller than a patch is a bad
              record. For a visit of a few patches it decodes only the part that they are cut from,
              if the file allows that
    sample    draws a manipulation (or none) and a point of the photo, cuts the patch there
              (`manipulations`), mirrors it and turns it by quarters

The competition (IEEE Signal Processing Society, Kaggle 2018) is judged by patches of 512 px, half
of them manipulated in one of eight ways. A sample is a pure function of (photo, split, params,
rng):

- The manipulation is drawn first. Only manipulations that leave a photo of at least a patch a side
  are drawn, with their weights rescaled: a 600-px photo never shows a 512-px patch at x0.5. If none
  fits, the patch is not manipulated.
- In training the start of a patch is uniform over all that the offset policy allows. In validation
  it is the centre, rounded down to the policy, and the patch is not mirrored or turned. (It may be
  manipulated: the caller gives validation the same randomness in every epoch.)
- With `versions` all, each patch is cut once without manipulation and once for each of them, as
  consecutive samples. They share the randomness of the first, and so the point, mirror and turns.
  The middle of each is the same point of the photo, as far as the photo reaches around it. A photo
  that is too small for one of them is a bad record.
- The offset policy counts in pixels of the photo before its manipulation, since a camera's traces
  lie on the 2x2 colour filter and the 8x8 JPEG grid. After a resize the patch starts on the pixel
  that such a start is mapped to, e.g. a multiple of 32 for `eight` at x0.8 (40 px before).
- In a test, sample 0 is the centre, and others are placed, mirrored and turned as in training; with
  a grid, G x G samples are spread evenly over the photo, from edge to edge. They are not
  manipulated, or each is shown once unchanged and once under each manipulation (`test_views`).
- The name of a test photo that was manipulated before ends in `_manip`, as in the competition. Such
  a photo, or one that is too small for a patch after a manipulation, is not manipulated here: every
  sample shows it unchanged.
- Mirror and turns come last, so they also turn the traces of the manipulation.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pushfit.decoding import images
from pushfit.decoding.images import Photo
from pushfit.errors import BadRecord
from pushfit.tasks import folders
from pushfit.tasks.aliases import Aliases
from pushfit.tasks.base import TEST, TRAIN, UNKNOWN, ArraySpec, DataSet, Record, Task
from pushfit.tasks.camera.defaults import ROW
from pushfit.tasks.camera.manipulations import KNOWN, NONE, Manipulation
from pushfit.tasks.camera.params import FEW, LEAST_SIDE, STEPS, CameraParams, is_manipulated
from pushfit.tasks.selection import Selection


class CameraTask(Task):
    """Arrays: image (P, P, 3) uint8; label int32; manipulation uint8, 0 for none."""

    name = "camera"
    Params = CameraParams
    row = ROW
    shared_scan = True
    submission = "fname", "camera"
    upright = False  # a camera's traces lie on the sensor's grid
    params: CameraParams

    def __init__(self, params: CameraParams) -> None:
        super().__init__(params)
        self._ways = (NONE, *(KNOWN[name] for name in params.manipulations))
        self._weights = params.manipulation_weights or (1.0,) * len(params.manipulations)

    @property
    def manipulation_names(self) -> tuple[str, ...]:
        """What the values of the array `manipulation` mean: ("none", first, second, …)."""
        return tuple(way.name for way in self._ways)

    @property
    def crop_step(self) -> int:  # type: ignore[override]
        return STEPS[self.params.offset]

    def cropped(self, side: int) -> CameraTask:
        return type(self)(msgspec.structs.replace(self.params, patch=side))

    def versions(self, split: str) -> int:
        return len(self._ways) if self.params.versions == "all" and split != TEST else 1

    def scan(self, links: Path) -> DataSet:
        params = self.params
        chosen = Selection(params.only, params.without)
        return folders.scan(links, params.classes, params.held_out, Aliases(params.aliases), chosen)

    def scan_test(self, links: Path) -> DataSet:
        return folders.scan_test(links)

    def test_views(self, grid: int, manipulations: bool) -> tuple[CameraTask, int]:
        params = msgspec.structs.replace(
            self.params, test_grid=grid, test_manipulations=manipulations
        )
        return CameraTask(params), max(grid, 1) ** 2 * (len(self._ways) if manipulations else 1)

    def true_class(self, path: str) -> str:
        return folders.class_folder(path)

    def same_class(self, name: str, classes: Sequence[str]) -> str:
        return Aliases(self.params.aliases).among(name, classes)

    def arrays(self) -> tuple[ArraySpec, ...]:
        side = self.params.patch
        return (
            ArraySpec("image", "uint8", (side, side, 3)),
            ArraySpec("label", "int32", ()),
            ArraySpec("manipulation", "uint8", ()),
        )

    def limits(self) -> Mapping[str, tuple[float, float]]:
        return {"manipulation": (0, len(self._ways) - 1)}

    def decode(self, data: bytes, record: Record) -> Photo:
        photo = images.decode(data)
        height, width, _ = photo.shape
        least, way = self._least(width, height)
        if least < self.params.patch:
            advice = f"use --patch {least} or less" if least >= LEAST_SIDE else "leave it out"
            after = f" at {way.name}" if way is not NONE else ""
            raise BadRecord(f"{self._too_small(photo)}{after}: {advice}")
        return photo

    def _least(self, width: int, height: int) -> tuple[int, Manipulation]:
        """(shorter side of the smallest required version of a photo, its manipulation)."""
        ways = self._ways if self.params.versions == "all" else self._ways[:1]
        return min(((min(way.size(width, height)), way) for way in ways), key=lambda each: each[0])

    def _too_small(self, photo: Photo) -> str:
        height, width, _ = photo.shape
        return f"{width} x {height} px, smaller than the patch of {self.params.patch}"

    def decode_for(
        self, data: bytes, record: Record, split: str, rngs: Iterator[np.random.Generator]
    ) -> Photo:
        few = list(itertools.islice(rngs, FEW + 1))
        if len(few) > FEW:
            return self.decode(data, record)

        def needed(width: int, height: int) -> tuple[int, int, int, int] | None:
            if self._least(width, height)[0] < self.params.patch:
                return None
            size = width, height
            places = (self._place(size, record, split, n, rng) for n, rng in enumerate(few))
            reads = [
                self._ways[chosen].reads(width, height, x, y, self.params.patch)
                for chosen, x, y in places
            ]
            left, top, right, bottom = zip(*reads, strict=True)
            return min(left), min(top), max(right), max(bottom)

        photo = images.decode_part(data, needed) if few else None
        return self.decode(data, record) if photo is None else photo

    def sample(
        self, item: Photo, record: Record, split: str, patch: int, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        height, width, _ = item.shape
        chosen, x, y = self._place((width, height), record, split, patch, rng)
        varied = self._is_varied(split, patch)
        image = self._ways[chosen].cut(item, x, y, self.params.patch)
        if varied and self.params.flips and rng.random() < 0.5:
            image = image[:, ::-1]
        if varied and self.params.turns:
            image = np.rot90(image, int(rng.integers(4)))
        if split == TEST:
            shown = chosen or int(is_manipulated(record))
            return {"image": image, "label": np.int32(UNKNOWN), "manipulation": np.uint8(shown)}
        return {
            "image": image,
            "label": np.int32(record.label),
            "manipulation": np.uint8(chosen),
        }

    def _view(self, patch: int) -> tuple[int, int]:
        """(number of the view, index into `_ways`) of a test sample."""
        return divmod(patch, len(self._ways) if self.params.test_manipulations else 1)

    def _is_varied(self, split: str, patch: int) -> bool:
        """Return whether a sample is placed, mirrored and turned at random."""
        if split == TEST:
            return self._view(patch)[0] > 0 and not self.params.test_grid
        return split == TRAIN

    def _place(
        self,
        size: tuple[int, int],
        record: Record,
        split: str,
        patch: int,
        rng: np.random.Generator,
    ) -> tuple[int, int, int]:
        """(index into `_ways`, x, y) of a sample: all that decides which pixels it reads.

        size: width and height of the photo.
        """
        place, chosen = self._view(patch)
        versions = self.versions(split)
        if split != TEST:
            chosen = 0 if versions > 1 else self._draw(*size, rng)
        elif not self._fits(chosen, *size) or is_manipulated(record):
            chosen = 0
        way, grid = self._ways[chosen], self.params.test_grid if split == TEST else 0
        step, varied = way.step(STEPS[self.params.offset]), self._is_varied(split, patch)

        def start(room: int, number: int) -> int:
            if grid > 1:
                return room // step * number // (grid - 1)
            return int(rng.integers(room // step + 1)) if varied else room // 2 // step

        rooms = (length - self.params.patch for length in way.size(*size))
        numbers = (place % grid, place // grid) if grid else (0, 0)
        x, y = (step * start(room, number) for room, number in zip(rooms, numbers, strict=True))
        if version := patch % versions:
            chosen, (x, y) = version, self._same_place(version, *size, x, y)
        return chosen, x, y

    def _fits(self, chosen: int, width: int, height: int) -> bool:
        """Return whether a patch fits into the photo after a manipulation."""
        return min(self._ways[chosen].size(width, height)) >= self.params.patch

    def _same_place(self, version: int, width: int, height: int, x: int, y: int) -> tuple[int, int]:
        """(x, y) in a version of the photo of the patch with the same middle as that at (x, y)."""
        way, side = self._ways[version], self.params.patch
        step = way.step(STEPS[self.params.offset])
        sizes, found = way.size(width, height), []
        for start, length, size in zip((x, y), (width, height), sizes, strict=True):
            middle = (2 * start + side) * size // (2 * length)
            found.append(step * min(max(middle - side // 2, 0) // step, (size - side) // step))
        return found[0], found[1]

    def _draw(self, width: int, height: int, rng: np.random.Generator) -> int:
        """Index into `_ways`: 0, or the drawn manipulation, after which a patch still fits."""
        if rng.random() >= self.params.manipulated:
            return 0
        sums = list(
            itertools.accumulate(
                weight if self._fits(chosen, width, height) else 0.0
                for chosen, weight in enumerate(self._weights, start=1)
            )
        )
        mark = rng.random() * sums[-1]
        return next((i for i, total in enumerate(sums, start=1) if mark < total), 0)

    def from_picture(self, picture: Photo) -> Mapping[str, Any]:
        """The patch in the middle, cut as for validation, and not manipulated."""
        side = self.params.patch
        if min(picture.shape[:2]) < side:
            raise BadRecord(f"{self._too_small(picture)}: send the whole photo as it was taken")
        step = STEPS[self.params.offset]
        y, x = (step * ((length - side) // 2 // step) for length in picture.shape[:2])
        image = picture[y : y + side, x : x + side]
        return {"image": image, "label": np.int32(UNKNOWN), "manipulation": np.uint8(0)}

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        """x: image, or {"image", "manipulated": float32 (B, 1)} with `flag`.

        y: label, or {"class": label, "manipulation"} with `aux`.
        """
        x: Any = batch["image"]
        if self.params.flag:
            manipulated = (batch["manipulation"] > 0).astype(np.float32)[:, np.newaxis]
            x = {"image": x, "manipulated": manipulated}
        y: Any = batch["label"]
        if self.params.aux:
            y = {"class": y, "manipulation": batch["manipulation"]}
        return x, y

    def model_needs(self) -> Mapping[str, Any]:
        ways = len(self.manipulation_names) if self.params.aux else None
        return {**super().model_needs(), "manipulations": ways, "flag": self.params.flag}

    def caption(self, batch: Mapping[str, np.ndarray], i: int, classes: tuple[str, ...]) -> str:
        """``"iPhone-6 · jpeg70"``; without a manipulation, the class alone."""
        chosen = int(batch["manipulation"][i])
        name = classes[int(batch["label"][i])]
        return f"{name} · {self._ways[chosen].name}" if chosen else name
