"""The draws of RandAugment and TrivialAugment: their tables, and how often each thing is drawn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pushfit.tasks.images import policies
from pushfit.tasks.images.operations import OPERATIONS
from pushfit.tasks.images.policies import BINS, Strengths
from tests.support.patterns import chi_square

TABLES = {"rand": policies.randaugment_table(224), "trivial": policies.trivialaugment_table()}
DRAWS = 14_000


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def at(table: tuple[Strengths, ...], strength: int) -> dict[str, float]:
    return {each.operation: each.magnitudes[strength] for each in table if each.magnitudes}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_table_has_every_operation_and_its_signs(table: tuple[Strengths, ...]) -> None:
    assert [each.operation for each in table] == list(OPERATIONS)
    assert {len(each.magnitudes) for each in table} == {0, BINS}
    unsigned = {each.operation for each in table if not each.signed}
    assert unsigned == {"Identity", "Posterize", "Solarize", "AutoContrast", "Equalize"}


def test_strengths_of_randaugment() -> None:
    """Those of strength 9, torchvision's default, by hand; and the greatest."""
    nine = dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), 0.27)
    nine |= {"ShearX": 0.09, "ShearY": 0.09, "Rotate": 9, "Posterize": 7, "Solarize": 178.5}
    nine |= {"TranslateX": 30.453172, "TranslateY": 30.453172}  # 224 * 150 / 331 * 0.3
    assert at(TABLES["rand"], 9) == pytest.approx(nine)
    most = at(TABLES["rand"], 30)
    assert (most["Posterize"], most["Solarize"], most["Rotate"]) == (4, 0, 30)
    assert at(policies.randaugment_table(331), 30)["TranslateX"] == 150


def test_strengths_of_trivialaugment() -> None:
    most = dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), 0.99)
    most |= {"ShearX": 0.99, "ShearY": 0.99, "Rotate": 135, "Posterize": 2, "Solarize": 0}
    most |= {"TranslateX": 32, "TranslateY": 32}
    assert at(TABLES["trivial"], 30) == pytest.approx(most)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_strength_0_changes_nothing(table: tuple[Strengths, ...]) -> None:
    least = at(table, 0)
    assert (least.pop("Posterize"), least.pop("Solarize")) == (8, 255)
    assert set(least.values()) == {0}


def test_randaugment_draws_each_operation_and_each_sign_as_often() -> None:
    source, drawn = rng(1), []
    for _ in range(DRAWS // 2):
        pair = policies.randaugment(224, 2, 9, source)
        assert len(pair) == 2
        drawn += pair
    operations = Counter(name for name, _ in drawn)
    assert set(operations) == set(OPERATIONS)
    assert chi_square(list(operations.values())) < 34.5  # 13 degrees of freedom, 1 in 1,000
    pairs = Counter(zip(drawn[::2], drawn[1::2], strict=True))
    assert len({(a[0], b[0]) for a, b in pairs}) == 14 * 14  # the second may be as the first
    nine = at(TABLES["rand"], 9)
    for name in ("ShearX", "Rotate", "Sharpness", "TranslateY"):
        signs = Counter(magnitude for drawn_name, magnitude in drawn if drawn_name == name)
        assert set(signs) == {nine[name], -nine[name]}
        assert chi_square(list(signs.values())) < 10.8  # 1 degree of freedom, 1 in 1,000
    assert {magnitude for name, magnitude in drawn if name == "Solarize"} == {178.5}
    assert {magnitude for name, magnitude in drawn if name == "Equalize"} == {0}


def test_trivialaugment_draws_each_strength_as_often() -> None:
    source, drawn = rng(2), []
    for _ in range(DRAWS):
        drawn += policies.trivialaugment(source)
    assert len(drawn) == DRAWS
    assert chi_square(list(Counter(name for name, _ in drawn).values())) < 34.5
    angles = [abs(magnitude) for name, magnitude in drawn if name == "Rotate"]
    counts = Counter(round(angle / 4.5) for angle in angles)
    assert set(counts) == set(range(BINS))
    assert chi_square(list(counts.values())) < 59.7  # 30 degrees of freedom, 1 in 1,000


def test_the_same_stream_draws_the_same() -> None:
    assert policies.randaugment(96, 5, 12, rng(3)) == policies.randaugment(96, 5, 12, rng(3))
    assert policies.randaugment(96, 5, 12, rng(3)) != policies.randaugment(96, 5, 12, rng(4))
    assert policies.trivialaugment(rng(5)) == policies.trivialaugment(rng(5))
