"""What happens to a photo after its random crop: flip, policy, jitter, greyscale, blur, erasing.

    augmented(image, params, rng) -> image

They are applied in this order, which is that of torchvision's training of ImageNet and of SimCLR.
All random numbers are drawn from `rng`, in the same order. What Pillow does is done in one piece,
so that an image is converted to a picture of Pillow and back only once.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from PIL import Image

from pushfit.decoding.images import Photo
from pushfit.errors import ConfigError
from pushfit.tasks.images import colour, erasing, policies
from pushfit.tasks.images.colour import Change
from pushfit.tasks.images.erasing import Fill
from pushfit.tasks.images.operations import OPERATIONS, Picture

OPS, MAGNITUDE = 2, 9  # torchvision's defaults of RandAugment
JITTERED = ("brightness", "contrast", "saturation", "hue")
MOST_HUE = 0.5  # half a turn, either way, reaches every hue


class AugmentParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of `augmented`. Raises ConfigError if they contradict each other."""

    flip: Annotated[
        float, Meta(ge=0, le=1, description="Share of training images mirrored left to right.")
    ] = 0.5
    policy: Annotated[
        Literal["none", "randaugment", "trivialaugment"],
        Meta(
            description="Random operations on each training image: randaugment, --policy-ops of "
            "the strength --policy-magnitude; trivialaugment, one of any strength (the wide "
            "version)."
        ),
    ] = "none"
    policy_ops: Annotated[
        int,
        Meta(ge=1, le=14, description="Operations on each image with --policy randaugment."),
    ] = OPS
    policy_magnitude: Annotated[
        int,
        Meta(
            ge=0,
            le=policies.BINS - 1,
            description="Strength of the operations of --policy randaugment.",
        ),
    ] = MAGNITUDE
    jitter: Annotated[
        tuple[Annotated[float, Meta(ge=0, le=2)], ...],
        Meta(
            description="Largest changes of brightness, contrast, saturation and hue, in this "
            "order, as in torchvision's ColorJitter; 0.4,0.4,0.4,0.1 is usual. Further ones may "
            "be left out, and an empty list changes no colours. A hue is at most 0.5."
        ),
    ] = ()
    jitter_share: Annotated[
        float, Meta(ge=0, le=1, description="Share of training images to which --jitter applies.")
    ] = 1.0
    greyscale: Annotated[
        float, Meta(ge=0, le=1, description="Share of training images made grey.")
    ] = 0.0
    blur: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Share of training images blurred by a Gaussian with a standard "
            "deviation of 0.1 to 2 pixels.",
        ),
    ] = 0.0
    erasing: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Share of training images in which a rectangle is erased, 2% to 33% of "
            "the image.",
        ),
    ] = 0.0
    erasing_fill: Annotated[
        Fill,
        Meta(
            description="What --erasing leaves: mean, the mean colour of ImageNet, as torchvision "
            "does; black; noise, drawn for each pixel, as timm's mode pixel does."
        ),
    ] = "mean"

    def __post_init__(self) -> None:
        if len(self.jitter) > len(JITTERED):
            raise ConfigError(
                f"jitter: {len(self.jitter)} numbers, but there are four at most "
                f"({', '.join(JITTERED)}); leave out those after the fourth"
            )
        if len(self.jitter) == len(JITTERED) and self.jitter[3] > MOST_HUE:
            raise ConfigError(
                f"jitter: its fourth number, the hue, is {self.jitter[3]:g}, but {MOST_HUE} "
                "reaches every hue; give 0 to 0.5"
            )
        if self.jitter_share != 1 and not any(self.jitter):
            raise ConfigError(
                f"jitter_share: {self.jitter_share:g} of the images would be changed, but jitter "
                "says by how much, and changes nothing; give jitter, such as 0.4,0.4,0.4,0.1, or "
                "leave jitter_share out"
            )
        given = (self.policy_ops, self.policy_magnitude)
        for name, value, default in zip(
            ("policy_ops", "policy_magnitude"), given, (OPS, MAGNITUDE), strict=True
        ):
            if value != default and self.policy != "randaugment":
                raise ConfigError(
                    f"{name}: {value} applies to the policy randaugment alone, but the policy is "
                    f"{self.policy}; set policy to randaugment, or leave {name} out"
                )
        if self.erasing_fill != "mean" and not self.erasing:
            raise ConfigError(
                f"erasing_fill: {self.erasing_fill} is what erasing leaves, but erasing is 0; set "
                "erasing, such as 0.25, or leave erasing_fill out"
            )


def augmented(image: Photo, params: AugmentParams, rng: np.random.Generator) -> Photo:
    """The augmented image: (side, side, 3) uint8. It may be `image` itself, or be read-only.

    image: (side, side, 3) uint8; it is not changed.
    rng: the only source of randomness. The numbers that are drawn depend on no pixel.
    """
    changes = _drawn(len(image), params, rng)
    sigma = colour.SIGMAS[int(rng.integers(len(colour.SIGMAS)))]
    blurs = rng.random() < params.blur
    erases = rng.random() < params.erasing
    if changes:
        picture = Image.fromarray(image)
        for change in changes:
            picture = change(picture)
        image = np.asarray(picture)
    if blurs:
        image = colour.blurred(image, sigma)
    return erasing.erased(image, params.erasing_fill, rng) if erases else image


def _drawn(side: int, params: AugmentParams, rng: np.random.Generator) -> list[Change]:
    """What Pillow does to an image of `side` pixels, in order."""
    changes: list[Change] = []
    if rng.random() < params.flip:
        changes.append(mirror)
    if params.policy == "randaugment":
        chosen = policies.randaugment(side, params.policy_ops, params.policy_magnitude, rng)
    else:
        chosen = policies.trivialaugment(rng) if params.policy == "trivialaugment" else []
    for name, magnitude in chosen:
        if name != "Identity":
            changes.append(partial(_operated, name, magnitude))
    if params.jitter and rng.random() < params.jitter_share:
        changes += colour.jitter(params.jitter, rng)
    if rng.random() < params.greyscale:
        changes.append(colour.greyscale)
    return changes


def _operated(name: str, magnitude: float, picture: Picture) -> Picture:
    return OPERATIONS[name](picture, magnitude)


def mirror(picture: Picture) -> Picture:
    """The picture mirrored left to right, which Pillow does faster than numpy copies a view."""
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
