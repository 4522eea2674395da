"""Camera model identification: which camera took the photo that this patch was cut from?

    read      one file
    decode    the photo, strict (`images`); smaller than a patch is a BadRecord. For a visit of a
              few patches only the part that they are cut from, where the file allows
    sample    a manipulation (or none), a place, a cut (`manipulations`), a mirror, quarter turns

The competition (IEEE Signal Processing Society, Kaggle 2018) judges by patches of 512 px, half of
them manipulated in one of eight ways. A sample is a pure function of (photo, split, params, rng):

- Manipulated or not, and how, is drawn first. Only manipulations that leave a photo of at least a
  patch a side are drawn, with their weights rescaled: a 600-px photo never shows a 512-px patch at
  x0.5. Where none fits, the patch is not manipulated.
- Train: the place is uniform over all that the offset policy allows. Otherwise: the centre, rounded
  down to the policy; nothing is mirrored or turned. (Manipulations are still drawn: the caller
  gives validation the same randomness every epoch.)
- The offset policy counts in pixels of the photo before its manipulation, since a camera's traces
  lie on the 2x2 colour filter and the 8x8 JPEG grid. After a resize the patch starts on the pixel
  that such a place was mapped to, e.g. multiples of 32 for `eight` at x0.8 (40 px before).
- Test: never manipulated here. Sample 0 is the centre, others are placed, mirrored and turned as in
  training. Whether the photo was manipulated before is known from names that end in `_manip` and
  `_unalt`, as in the competition; of others it is taken that they were not.
- Mirror and turns come last, so they turn the traces of the manipulation with the picture.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
import numpy as np
from msgspec import Meta

from lib.errors import BadRecord, ConfigError, nearest
from lib.tasks import folders, images
from lib.tasks.base import TEST, TRAIN, UNKNOWN, ArraySpec, DataSet, Record, Task
from lib.tasks.images import Photo
from lib.tasks.manipulations import KNOWN, NONE

Name = Literal[
    "jpeg70",
    "jpeg90",
    "resize0.5",
    "resize0.8",
    "resize1.5",
    "resize2.0",
    "gamma0.8",
    "gamma1.2",
]
ALL: tuple[Name, ...] = get_args(Name)
STEPS = {"any": 1, "even": 2, "eight": 8}
MANIPULATED = "_manip"  # what names of the competition's manipulated test photos end in
FEW = 4  # patches of a visit for which it can pay to decode a part: more lie all over the photo


class CameraParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the camera task can be told. Raises ConfigError where fields contradict each other."""

    patch: Annotated[
        int, Meta(ge=8, le=4096, description="Width and height of a patch, in pixels.")
    ] = 224
    classes: Annotated[
        tuple[str, ...],
        Meta(description="The classes in their order; empty: the folders of train, sorted."),
    ] = ()
    manipulated: Annotated[
        float, Meta(ge=0, le=1, description="Share of the patches that are manipulated.")
    ] = 0.5
    manipulations: Annotated[
        tuple[Name, ...], Meta(description="The manipulations to draw from.")
    ] = ALL
    manipulation_weights: Annotated[
        tuple[Annotated[float, Meta(ge=0)], ...],
        Meta(description="How often each manipulation is drawn, one number each; empty: alike."),
    ] = ()
    offset: Annotated[
        Literal["any", "even", "eight"],
        Meta(description="Where a patch may start: on any pixel, or on multiples of two or eight."),
    ] = "any"
    flips: Annotated[
        bool, Meta(description="Mirror half of the training patches left to right.")
    ] = False
    turns: Annotated[
        bool, Meta(description="Turn training patches by 0, 90, 180 or 270 degrees.")
    ] = False
    aux: Annotated[
        bool, Meta(description="Teach the model to name the manipulation too, on a second head.")
    ] = False
    flag: Annotated[
        bool, Meta(description="Tell the model, as a second input, whether a patch is manipulated.")
    ] = False

    def __post_init__(self) -> None:
        _known("manipulations", self.manipulations, KNOWN)
        _known("offset", (self.offset,), STEPS)
        _unique("manipulations", self.manipulations)
        _unique("classes", self.classes)
        if len(self.classes) == 1:
            raise ConfigError("classes: a classifier needs two classes, or an empty list for all")
        if self.manipulated and not self.manipulations:
            raise ConfigError(
                f"manipulations: the list is empty, but manipulated is {self.manipulated}; "
                "set manipulated to 0, or name some"
            )
        weights, names = self.manipulation_weights, self.manipulations
        if weights and len(weights) != len(names):
            raise ConfigError(
                f"manipulation_weights: {len(weights)} numbers for {len(names)} manipulations "
                f"({', '.join(names)}); give one for each, or none"
            )
        if weights and not (min(weights) >= 0 and 0 < sum(weights) < float("inf")):
            raise ConfigError(f"manipulation_weights: {weights} must be 0 or more, and not all 0")


def _varied(split: str, patch: int) -> bool:
    """Whether a sample has a place, a mirror and turns of its own."""
    return split == TRAIN or (split == TEST and patch > 0)


def _known(field: str, words: Iterable[str], known: Iterable[str]) -> None:
    for word in words:
        if word not in known:
            raise ConfigError(
                f"{field}: there is no {word!r}{nearest(word, known)}; known: {', '.join(known)}"
            )


def _unique(field: str, words: tuple[str, ...]) -> None:
    for word in words:
        if words.count(word) > 1:
            raise ConfigError(f"{field}: {word!r} stands there twice; name it once")


class CameraTask(Task):
    """Arrays: image (P, P, 3) uint8; label int32; manipulation uint8, 0 for none."""

    name = "camera"
    Params = CameraParams
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

    def scan(self, links: Path) -> DataSet:
        return folders.scan(links, self.params.classes)

    def scan_test(self, links: Path) -> DataSet:
        return folders.scan_test(links)

    def arrays(self) -> tuple[ArraySpec, ...]:
        side = self.params.patch
        return (
            ArraySpec("image", "uint8", (side, side, 3)),
            ArraySpec("label", "int32", ()),
            ArraySpec("manipulation", "uint8", ()),
        )

    def decode(self, data: bytes, record: Record) -> Photo:
        photo = images.decode(data)
        if (least := min(photo.shape[:2])) < self.params.patch:
            raise BadRecord(f"{self._too_small(photo)}: use --patch {least} or less")
        return photo

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
            if min(width, height) < self.params.patch:
                return None
            places = (self._place(width, height, split, n, rng) for n, rng in enumerate(few))
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
        chosen, x, y = self._place(width, height, split, patch, rng)
        varied = _varied(split, patch)
        image = self._ways[chosen].cut(item, x, y, self.params.patch)
        if varied and self.params.flips and rng.random() < 0.5:
            image = image[:, ::-1]
        if varied and self.params.turns:
            image = np.rot90(image, int(rng.integers(4)))
        if split == TEST:
            before = Path(record.path).stem.endswith(MANIPULATED)
            return {"image": image, "label": np.int32(UNKNOWN), "manipulation": np.uint8(before)}
        return {
            "image": image,
            "label": np.int32(record.label),
            "manipulation": np.uint8(chosen),
        }

    def _place(
        self, width: int, height: int, split: str, patch: int, rng: np.random.Generator
    ) -> tuple[int, int, int]:
        """(index into `_ways`, x, y) of a sample: all that decides what it reads."""
        chosen = 0 if split == TEST else self._draw(width, height, rng)
        way = self._ways[chosen]
        step, varied = way.step(STEPS[self.params.offset]), _varied(split, patch)
        x, y = (
            step * (int(rng.integers(room // step + 1)) if varied else room // 2 // step)
            for room in (length - self.params.patch for length in way.size(width, height))
        )
        return chosen, x, y

    def _draw(self, width: int, height: int, rng: np.random.Generator) -> int:
        """Index into `_ways`: 0, or a manipulation after which a patch still fits."""
        if rng.random() >= self.params.manipulated:
            return 0
        sums = list(
            itertools.accumulate(
                weight if min(way.size(width, height)) >= self.params.patch else 0.0
                for way, weight in zip(self._ways[1:], self._weights, strict=True)
            )
        )
        mark = rng.random() * sums[-1]
        return next((i for i, total in enumerate(sums, start=1) if mark < total), 0)

    def from_picture(self, picture: Photo) -> Mapping[str, Any]:
        """The patch in the middle, cut as for validation, as one that was not manipulated."""
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
