"""What a bench measures on: the folder that was named, or data that the project makes.

Photos are the simulated ones of 12 megapixels that `pushfit samples --large` makes in two minutes,
once; digits are scikit-learn's. Both lie in `data/` of the checkout. What was used is part of every
result, since a figure on simulated photos is not one on a camera's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from bench import _images_data
from bench._apart import ROOT
from pushfit.errors import ConfigError
from pushfit.samples import digits as sample_digits
from pushfit.samples import photos as sample_photos

_used: list[str] = []


def photos(links: Path | None) -> Path:
    """The links folder of photos to measure on. Raises PushFitError."""
    plan = sample_photos.LARGE
    made = f"{plan.photos} simulated photos of {plan.megapixels:.0f} megapixels"
    return _chosen(
        links, ROOT / "data" / "sample-large", made, lambda out: sample_photos.make(out, plan)
    )


def digits(links: Path | None) -> Path:
    """The folder of digits to measure on. Raises PushFitError."""
    made = "scikit-learn's 1,797 digits, enlarged to 28 x 28"
    return _chosen(links, ROOT / "data" / "digits", made, sample_digits.make)


def images(links: Path | None) -> Path:
    """The folder of small photos, as ImageNet's are, to measure on. Raises PushFitError."""
    plan = _images_data.Plan()
    made = f"{plan.photos:,} JPEGs of about 500 x 375, cut from simulated photos"
    return _chosen(
        links, ROOT / "data" / "images", made,
        lambda out: _images_data.make(out, _large(), plan),
    )  # fmt: skip


def _large() -> Path:
    """The large simulated photos, made where they are not there yet."""
    out = ROOT / "data" / "sample-large"
    sample_photos.make(out, sample_photos.LARGE)
    return out


def small_photos(links: Path | None, folder: Path) -> Path:
    """Photos where recovery or memory is measured and not speed: made below `folder`, in seconds.

    Raises PushFitError.
    """
    plan = sample_photos.Plan(train=4, val=1)
    made = f"{plan.photos} simulated photos of {plan.width} x {plan.height}"
    return _chosen(links, folder / "photos", made, lambda out: sample_photos.make(out, plan))


def of_task(task: str, links: Path | None) -> Path:
    """The folder of data for `task`. Raises ConfigError where there is none to be made."""
    if task == "camera":
        return photos(links)
    if task == "digits" or links is not None:
        return digits(links)
    raise ConfigError(f"give the folder of the {task} data with --links DIR")


def _chosen(links: Path | None, own: Path, what: str, make: Callable[[Path], object]) -> Path:
    """`links`, or the folder `own`, which `make(own)` fills where that has not been done."""
    if links is not None:
        _note(str(links))
        return links
    if not own.exists():
        print(f"{own}: making {what}", file=sys.stderr, flush=True)
    make(own)
    _note(what)
    return own


def _note(what: str) -> None:
    if what not in _used:
        _used.append(what)


def used() -> str:
    """What has been measured on, for the result; ``""``: nothing but what the bench draws."""
    return "; ".join(_used)
