"""Compares the augmentations of the task `images` with torchvision's, which needs torchvision.

    python -m tests.support.torchvision_compared

It is a program of its own, so that no test imports torch. It ends with an error if they differ.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from pushfit.tasks.images import colour, policies
from pushfit.tasks.images.operations import OPERATIONS, factor
from pushfit.tasks.images.policies import Strengths
from tests.support.patterns import grain, pattern

ENHANCERS = ("Brightness", "Color", "Contrast", "Sharpness")


def compare_policies(side: int) -> None:
    from torchvision.transforms import autoaugment

    theirs = (
        autoaugment.RandAugment()._augmentation_space(31, (side, side)),
        autoaugment.TrivialAugmentWide()._augmentation_space(31),
    )
    ours = policies.randaugment_table(side), policies.trivialaugment_table()
    for table, space in zip(ours, theirs, strict=True):
        assert [each.operation for each in table] == list(space)
        for each in table:
            magnitudes, signed = space[each.operation]
            assert each.signed == signed
            compare_operation(each, side, magnitudes.tolist() if magnitudes.ndim else [0.0])


def compare_operation(strengths: Strengths, side: int, theirs: list[float]) -> None:
    """The same bytes, given the same magnitude. theirs: torchvision's magnitudes, in 32 bits."""
    from torchvision.transforms import InterpolationMode, autoaugment

    ours = list(strengths.magnitudes) or [0.0]
    assert np.allclose(ours, theirs, rtol=1e-6, atol=2e-5), strengths.operation
    for image in (pattern(side), grain(side)):
        picture = Image.fromarray(image)
        for magnitude in ours:
            for signed in (magnitude, -magnitude) if strengths.signed else (magnitude,):
                made = OPERATIONS[strengths.operation](picture, signed)
                given = factor(1 + signed) - 1 if strengths.operation in ENHANCERS else signed
                nearest = InterpolationMode.NEAREST
                wanted = autoaugment._apply_op(picture, strengths.operation, given, nearest, None)
                assert same(made, wanted), (strengths.operation, signed)


def compare_colours(side: int) -> None:
    from torchvision.transforms import functional

    for image in (pattern(side), grain(side)):
        picture = Image.fromarray(image)
        for turn in np.linspace(-0.5, 0.5, 41).tolist():
            assert same(colour.hue(picture, turn), functional.adjust_hue(picture, turn)), turn
        assert same(colour.greyscale(picture), functional.to_grayscale(picture, 3))
        size = 2 * max(1, side // 20) + 1
        for sigma in colour.SIGMAS[::10]:
            blurred = colour.blurred(image, sigma).astype(int)
            wanted = np.asarray(functional.gaussian_blur(picture, size, sigma / 100), int)
            assert np.abs(blurred - wanted).max() <= 3, sigma


def same(ours: Any, theirs: Any) -> bool:
    return np.array_equal(np.asarray(ours), np.asarray(theirs))


if __name__ == "__main__":
    for pixels in (32, 97, 224):
        compare_policies(pixels)
        compare_colours(pixels)
