"""What can be set of the task images."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from pushfit.errors import ConfigError
from pushfit.tasks.images.augmentation import AugmentParams
from pushfit.tasks.resizing import Kernel
from pushfit.tasks.selection import HeldOut, Only, Without

LEAST_RATIO, MOST_RATIO = 0.01, 100.0


class ImagesParams(AugmentParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of the task images. Raises ConfigError if they contradict each other.

    Your own task derives from this class to add more.
    """

    size: Annotated[
        int, Meta(ge=8, le=2048, description="Width and height of the images, in pixels.")
    ] = 224
    scale: Annotated[
        tuple[float, ...],
        Meta(
            description="Least and largest share of a photo's area that a training image shows, "
            "as in torchvision's RandomResizedCrop. 1,1 shows as much of it as --ratio allows."
        ),
    ] = (0.08, 1.0)
    ratio: Annotated[
        tuple[float, ...],
        Meta(
            description="Least and largest width ÷ height of the part of a photo that a training "
            "image shows, before it is resized to a square."
        ),
    ] = (0.75, 4 / 3)
    val_crop: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            description="Side of the square in the middle of a photo that a validation image "
            "shows, as a share of the photo's shorter side: 0.875 is 224 of 256 pixels.",
        ),
    ] = 0.875
    resize: Annotated[
        Kernel, Meta(description="Kernel of the resize, which is antialiased as in Pillow.")
    ] = "bilinear"
    exact_decode: Annotated[
        bool,
        Meta(
            description="Decode large JPEGs at full size before they are resized, instead of at "
            "1/2, 1/4 or 1/8, which is faster and differs by 1 level of 255 on average."
        ),
    ] = False
    upright: Annotated[bool, Meta(description="Turn photos as their EXIF orientation says.")] = True
    classes: Annotated[
        tuple[str, ...],
        Meta(
            description="The classes in their order; empty: those of the data, sorted naturally "
            "(class2 before class10)."
        ),
    ] = ()
    list: Annotated[
        str,
        Meta(
            description="CSV or JSON Lines file in the links folder with the columns path, label "
            "and, if there are several, split; empty: folders or tar shards, or the only such file."
        ),
    ] = ""
    held_out: HeldOut = 0.1
    only: Only = ()
    without: Without = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        _range("scale", self.scale, 0.0, 1.0, "0.08,1")
        _range("ratio", self.ratio, LEAST_RATIO, MOST_RATIO, "0.75,1.333")


def _range(name: str, pair: tuple[float, ...], least: float, most: float, usual: str) -> None:
    if len(pair) != 2:
        raise ConfigError(
            f"{name}: {len(pair)} numbers, but it takes two, the least and the largest, such as "
            f"{usual}"
        )
    if not least < pair[0] <= pair[1] <= most:
        raise ConfigError(
            f"{name}: {pair[0]:g},{pair[1]:g} must be two numbers above {least:g}, the smaller one "
            f"first, and at most {most:g}; {usual} is usual"
        )
