"""All samples' randomness at once: numpy's own numbers, and so its quality."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pushfit.plan.order import patch_draws, patch_rng
from pushfit.plan.philox import bit_generator, uniforms

WORDS = st.integers(0, 2**63 - 1)


@given(
    st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
    st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=5),
    st.integers(1, 13),
)
def test_each_row_is_what_numpy_gives(
    key: tuple[int, int], counters: list[tuple[int, int, int]], count: int
) -> None:
    first, second, third = np.array(counters, np.int64).T
    drawn = uniforms(key, first, second, third, count)
    for row, counter in zip(drawn, counters, strict=True):
        start = np.array((0, *counter), np.uint64)
        philox = np.random.Philox(key=np.array(key, np.uint64), counter=start)
        np.testing.assert_array_equal(row, np.random.Generator(philox).random(count))


@given(
    st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
    st.tuples(WORDS, WORDS, WORDS, WORDS),
)
def test_a_generator_is_what_numpy_makes(
    key: tuple[int, int], counter: tuple[int, int, int, int]
) -> None:
    words, start = np.array(key, np.uint64), np.array(counter, np.uint64)
    numpys = np.random.Generator(np.random.Philox(key=words, counter=start))
    for _ in range(2):  # a second one is as fresh as the first
        ours = np.random.Generator(bit_generator(words, start))
        assert ours.bit_generator.state["buffer_pos"] == 4
    for draw in ("random", "standard_normal", "standard_exponential"):
        np.testing.assert_array_equal(getattr(ours, draw)(7), getattr(numpys, draw)(7))
    np.testing.assert_array_equal(ours.integers(1000, size=5), numpys.integers(1000, size=5))
    np.testing.assert_array_equal(ours.permutation(20), numpys.permutation(20))
    assert ours.bit_generator.state["uinteger"] == numpys.bit_generator.state["uinteger"]


def test_a_lease_draws_what_its_samples_draw_one_by_one_however_it_is_cut() -> None:
    rng = np.random.default_rng(0)
    visits, records = np.arange(90, 150), rng.integers(0, 10**6, 60)
    patches = rng.integers(0, 16, 60)
    whole = patch_draws(7, "train", 3, visits, records, patches)(5)
    for row, (visit, record, patch) in enumerate(zip(visits, records, patches, strict=True)):
        single = patch_rng(7, "train", 3, int(visit), int(record), int(patch))
        np.testing.assert_array_equal(whole[row], single.random(5))
    for start, stop in ((0, 1), (1, 33), (33, 60)):
        cut = slice(start, stop)
        part = patch_draws(7, "train", 3, visits[cut], records[cut], patches[cut])(5)
        np.testing.assert_array_equal(part, whole[cut])


def test_neighbouring_samples_are_independent_and_uniform() -> None:
    """Counters that differ by one, as those of neighbours do: 40,000 samples of 4 numbers."""
    visits = np.arange(40_000)
    drawn = patch_draws(0, "train", 0, visits, visits[::-1] // 7, visits % 2)(4)
    counts = np.stack([np.histogram(column, 50, (0, 1))[0] for column in drawn.T])
    chi_square = ((counts - 800) ** 2 / 800).sum(axis=1)
    assert (chi_square < 100).all()  # 49 degrees of freedom: 100 is beyond 1 in 40,000
    beside = np.concatenate([drawn[:-1], drawn[1:]], axis=1)
    correlation = np.corrcoef(beside.T) - np.eye(8)
    assert np.abs(correlation).max() < 0.025  # five standard deviations
    other = patch_draws(0, "train", 1, visits, visits[::-1] // 7, visits % 2)(4)
    assert abs(np.corrcoef(drawn.ravel(), other.ravel())[0, 1]) < 0.0125
