"""The chain of augmentations: its order, its shares, its randomness, and what may be asked for."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from pushfit.errors import ConfigError
from pushfit.settings.fields import parameters_of
from pushfit.settings.resolve import names
from pushfit.tasks.images import augmentation, colour, erasing, policies
from pushfit.tasks.images.augmentation import AugmentParams, augmented
from pushfit.tasks.images.operations import OPERATIONS
from tests.support.patterns import grain, pattern, sha

SIDE = 48
OFF: dict[str, Any] = {"flip": 0}
CHAINS: dict[str, dict[str, Any]] = {
    "nothing": OFF,
    "flip": {"flip": 1},
    "randaugment": OFF | {"policy": "randaugment"},
    "strong": OFF | {"policy": "randaugment", "policy_ops": 5, "policy_magnitude": 30},
    "trivialaugment": OFF | {"policy": "trivialaugment"},
    "jitter": OFF | {"jitter": (0.4, 0.4, 0.4, 0.1)},
    "greyscale": OFF | {"greyscale": 1},
    "blur": OFF | {"blur": 1},
    "erasing": OFF | {"erasing": 1, "erasing_fill": "noise"},
    "simclr": {
        "jitter": (0.8, 0.8, 0.8, 0.2),
        "jitter_share": 0.8,
        "greyscale": 0.2,
        "blur": 0.5,
    },
    "all": {
        "flip": 1,
        "policy": "randaugment",
        "jitter": (0.2, 0.2, 0.2, 0.1),
        "greyscale": 1,
        "blur": 1,
        "erasing": 1,
    },
}


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def changed(params: AugmentParams, image: np.ndarray, draws: int = 600) -> int:
    """How many of the draws changed the image."""
    source = rng(7)
    return sum(not np.array_equal(augmented(image, params, source), image) for _ in range(draws))


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_a_chain_depends_on_its_stream_alone_and_leaves_its_image(chain: dict[str, Any]) -> None:
    params, image = AugmentParams(**chain), grain(SIDE)
    image.flags.writeable = False
    seen = set()
    for seed in range(30):
        made = augmented(image, params, rng(seed))
        assert made.shape == (SIDE, SIDE, 3) and made.dtype == np.uint8
        assert np.array_equal(made, augmented(grain(SIDE), params, rng(seed)))
        seen.add(sha(made))
    assert np.array_equal(image, grain(SIDE))
    fixed = {"nothing": 1, "flip": 1, "greyscale": 1}
    assert len(seen) == fixed.get(next(name for name in CHAINS if CHAINS[name] is chain), len(seen))
    assert len(seen) > 10 or chain in (CHAINS["nothing"], CHAINS["flip"], CHAINS["greyscale"])


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_an_image_may_be_a_part_of_another(chain: dict[str, Any]) -> None:
    params, whole = AugmentParams(**chain), grain(SIDE + 9)
    part = whole[4 : 4 + SIDE, 5 : 5 + SIDE]
    for seed in range(8):
        made = augmented(part, params, rng(seed))
        assert np.array_equal(made, augmented(part.copy(), params, rng(seed)))
    assert np.array_equal(whole, grain(SIDE + 9))


def test_nothing_is_done_where_nothing_is_asked_for() -> None:
    image = grain(SIDE)
    assert augmented(image, AugmentParams(flip=0), rng(0)) is image


def test_a_mirrored_image() -> None:
    image = grain(SIDE)
    assert np.array_equal(augmented(image, AugmentParams(flip=1), rng(0)), image[:, ::-1])
    assert changed(AugmentParams(), image) == pytest.approx(300, abs=40)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("flip", {}),
        ("jitter_share", {"jitter": (0.5, 0, 0)}),
        ("greyscale", {}),
        ("blur", {}),
        ("erasing", {}),
    ],
)
def test_shares_are_kept(name: str, more: dict[str, Any]) -> None:
    def changes(share: float) -> int:
        return changed(AugmentParams(**(OFF | more | {name: share})), image)

    image = grain(24)
    never, half, always = changes(0), changes(0.5), changes(1)
    assert never == 0
    # A blur by less than 0.3 pixels is none.
    assert always >= (500 if name == "blur" else 595)
    assert half == pytest.approx(always / 2, abs=45)


def test_what_is_done_comes_in_this_order() -> None:
    """Each step is repeated here with the numbers that its own functions draw."""
    image, params = pattern(SIDE), AugmentParams(**CHAINS["all"])
    for seed in range(10):
        source = rng(seed)
        picture = Image.fromarray(image)
        source.random()
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        for name, magnitude in policies.randaugment(SIDE, 2, 9, source):
            picture = OPERATIONS[name](picture, magnitude)
        source.random()
        for change in colour.jitter((0.2, 0.2, 0.2, 0.1), source):
            picture = change(picture)
        source.random()
        picture = colour.greyscale(picture)
        sigma = colour.SIGMAS[int(source.integers(len(colour.SIGMAS)))]
        source.random(2)
        blurred = colour.blurred(np.asarray(picture), sigma)
        wanted = erasing.erased(blurred, "mean", source)
        assert np.array_equal(augmented(image, params, rng(seed)), wanted)


def test_policies_are_those_of_the_parameters() -> None:
    image = pattern(SIDE)
    for seed in range(40):
        source = rng(seed)
        source.random()
        ((name, magnitude),) = policies.trivialaugment(source)
        wanted = OPERATIONS[name](Image.fromarray(image), magnitude)
        made = augmented(image, AugmentParams(flip=0, policy="trivialaugment"), rng(seed))
        assert np.array_equal(made, np.asarray(wanted))


def test_the_bytes_are_those_of_every_host() -> None:
    made = {name: sha(augmented(pattern(40), AugmentParams(**chain), rng(1)))
            for name, chain in CHAINS.items()}  # fmt: skip
    assert made == GOLDEN


GOLDEN = {
    "nothing": "d72fa543da45ec07",
    "flip": "72ac0610a300b168",
    "randaugment": "dae0bd4dee82bdd7",
    "strong": "e92e02bd08cbd425",
    "trivialaugment": "da62deee55d0009c",
    "jitter": "08762d903e71a92b",
    "greyscale": "dd6dac27052fceb9",
    "blur": "d72fa543da45ec07",
    "erasing": "0f555e14e10f81ad",
    "simclr": "d312fbdf41a4121d",
    "all": "d32cfad40da2c807",
}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"jitter": (0.1, 0.1, 0.1, 0.1, 0.1)}, "jitter: 5 numbers, but there are four at most"),
        ({"jitter": (0.1, 0.1, 0.1, 0.6)}, "the hue, is 0.6"),
        ({"jitter_share": 0.8}, "jitter_share: 0.8 of the images would be changed"),
        ({"jitter": (0, 0), "jitter_share": 0.8}, "jitter_share: 0.8"),
        ({"policy_ops": 3}, "policy_ops: 3 applies to the policy randaugment alone"),
        (
            {"policy": "trivialaugment", "policy_magnitude": 12},
            "policy_magnitude: 12 applies to the policy randaugment alone, but the policy is "
            "trivialaugment",
        ),
        ({"erasing_fill": "noise"}, "erasing_fill: noise is what erasing leaves, but erasing is 0"),
    ],
)
def test_wrong_combinations_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as error:
        AugmentParams(**given)
    assert says in str(error.value)


def test_every_parameter_is_a_flag_of_its_own_name() -> None:
    settings = parameters_of("images", AugmentParams, names())
    assert [setting.name for setting in settings] == [
        field.name for field in msgspec.structs.fields(AugmentParams)
    ]
    by_name = {setting.name: setting for setting in settings}
    assert by_name["jitter"].read("0.4,0.4,0.4,0.1", "here") == (0.4, 0.4, 0.4, 0.1)
    assert by_name["policy"].read("trivialaugment", "here") == "trivialaugment"
    for name, wrong in (
        ("flip", "1.5"),
        ("blur", "-0.1"),
        ("policy", "autoaugment"),
        ("policy_magnitude", "31"),
        ("policy_ops", "0"),
        ("jitter", "0.4,-1"),
    ):
        with pytest.raises(ConfigError) as error:
            by_name[name].read(wrong, "here")
        assert "is not valid, it must be" in str(error.value)


def test_the_limits_are_those_of_the_policies() -> None:
    fields = {field.name: field for field in msgspec.structs.fields(AugmentParams)}
    assert (fields["policy_ops"].default, fields["policy_magnitude"].default) == (2, 9)
    assert policies.BINS == 31 and augmentation.JITTERED[3] == "hue"
