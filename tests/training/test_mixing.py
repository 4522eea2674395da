"""MixUp and CutMix: what becomes of images and labels, and that it follows from the place alone."""

from __future__ import annotations

import numpy as np
import pytest

from pushfit.feed.feed import Batch
from pushfit.plan.order import Segment
from pushfit.training.mixing import Mixing, Mixture

SHAPE = (64, 24, 20, 3)


def batch(number: int = 0, epoch: int = 0, split: str = "train") -> Batch:
    return Batch(Segment(0, split, epoch, 0, 0, 0), number, {})


def images(dtype: str = "uint8") -> np.ndarray:
    drawn = np.random.default_rng(1).integers(0, 256, SHAPE)
    return drawn.astype(dtype)


def test_mixup_blends_bytes_to_the_nearest_level() -> None:
    given = images()
    before = given.copy()
    mixture = Mixing(seed=3, mixup=0.4).of(batch(), SHAPE)
    mixed = mixture.images(given)
    share = mixture.share.reshape(-1, 1, 1, 1).astype(np.float64)
    exact = given * share + given[mixture.partner] * (1 - share)
    assert mixed.dtype == np.uint8
    np.testing.assert_array_equal(mixed, np.floor(exact + 0.5))
    np.testing.assert_array_equal(given, before)  # the feed's own memory
    assert (mixed != given).any()
    white = Mixture(np.array([0]), np.array([0.5], np.float32), None)
    assert white.images(np.full((1, 2, 2, 3), 255, np.uint8)).min() == 255


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint16", "int32"])
def test_mixup_keeps_the_dtype(dtype: str) -> None:
    given = images(dtype)
    mixture = Mixing(seed=3, mixup=1.0).of(batch(), SHAPE)
    mixed = mixture.images(given)
    share = mixture.share.reshape(-1, 1, 1, 1).astype(np.float64)
    exact = given * share + given[mixture.partner].astype(np.float64) * (1 - share)
    assert mixed.dtype == dtype
    np.testing.assert_allclose(
        mixed.astype(np.float64), exact, atol=0.51 if dtype[-1] != "6" else 1
    )


def test_cutmix_takes_a_rectangle_and_counts_its_pixels() -> None:
    given = images()
    mixture = Mixing(seed=3, cutmix=1.0).of(batch(), SHAPE)
    mixed = mixture.images(given)
    assert mixture.boxes is not None
    for row, (top, left, bottom, right) in enumerate(mixture.boxes):
        inside = np.zeros(SHAPE[1:3], bool)
        inside[top:bottom, left:right] = True
        partner = given[mixture.partner[row]]
        np.testing.assert_array_equal(mixed[row][inside], partner[inside])
        np.testing.assert_array_equal(mixed[row][~inside], given[row][~inside])
        assert mixture.share[row] == pytest.approx(1 - inside.mean())
    assert 0.2 < 1 - mixture.share.mean() < 0.6


def test_labels_are_mixed_in_the_same_share() -> None:
    mixture = Mixing(seed=3, mixup=0.4).of(batch(), SHAPE)
    hot = np.eye(4, dtype=np.float32)[np.arange(64) % 4]
    soft = mixture.rows(hot)
    assert soft.dtype == np.float32
    np.testing.assert_allclose(soft.sum(axis=1), 1)
    row = int(np.argmax(hot[mixture.partner].argmax(1) != hot.argmax(1)))
    assert soft[row, hot[row].argmax()] == mixture.share[row]


def test_a_mixture_follows_from_seed_and_place_alone() -> None:
    def told(mixture: Mixture) -> tuple[bytes, bytes]:
        return mixture.partner.tobytes(), mixture.share.tobytes()

    mixing = Mixing(seed=3, mixup=0.4, cutmix=1.0)
    first = told(mixing.of(batch(), SHAPE))
    assert told(Mixing(seed=3, mixup=0.4, cutmix=1.0).of(batch(), SHAPE)) == first
    others = [mixing.of(batch(1), SHAPE), mixing.of(batch(0, 1), SHAPE)]
    others.append(Mixing(seed=4, mixup=0.4, cutmix=1.0).of(batch(), SHAPE))
    assert first not in [told(each) for each in others]


def test_with_both_each_batch_gets_one_of_them() -> None:
    mixing = Mixing(seed=3, mixup=0.4, cutmix=1.0)
    cut = [mixing.of(batch(number), SHAPE).boxes is not None for number in range(40)]
    assert 8 < sum(cut) < 32


def test_a_batch_of_one_stays_as_it_is() -> None:
    for mixing in (Mixing(seed=0, mixup=0.4), Mixing(seed=0, cutmix=1.0)):
        mixture = mixing.of(batch(), (1, 24, 20, 3))
        np.testing.assert_array_equal(mixture.images(images()[:1]), images()[:1])
