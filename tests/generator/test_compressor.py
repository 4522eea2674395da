"""`auto`, on a simulated core, link and clock."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pushfit.generator.compressor import COUNTED, GAIN, SETTLE, Choice, Compressor

MB = 1e6


def simulate(making: float, packing: float, ratio: float, link: float, leases: int) -> Choice:
    """Leases of 8 MB; speeds in bytes/s. Two are under way at most, as a trainer grants them."""
    choice, now, free, sending = Choice(), 0.0, [0.0, 0.0], 0.0
    simulate.packed = 0  # type: ignore[attr-defined]
    for _ in range(leases):
        packs = choice.packs
        simulate.packed += packs  # type: ignore[attr-defined]
        now += 8 * MB / making + (8 * MB / packing if packs else 0.0)
        gone = max(now, free[-1]) + 8 * MB / (ratio if packs else 1.0) / link
        choice.sent(int(8 * MB), sending, now)
        sending = max(0.0, free[-1] - now)  # the next is granted when the one before has come
        now += sending
        free = [free[-1], gone]
    simulate.seconds = now  # type: ignore[attr-defined]
    return choice


def test_it_packs_where_the_link_is_the_limit_and_not_where_it_is_not() -> None:
    simulate(making=200 * MB, packing=200 * MB, ratio=3, link=12 * MB, leases=400)
    assert simulate.packed > 330  # type: ignore[attr-defined]
    simulate(making=200 * MB, packing=200 * MB, ratio=3, link=1000 * MB, leases=400)
    assert simulate.packed == 0  # type: ignore[attr-defined]
    simulate(making=200 * MB, packing=20 * MB, ratio=3, link=100 * MB, leases=400)
    assert simulate.packed < 60  # type: ignore[attr-defined]


@given(
    st.floats(10, 2000), st.floats(50, 500), st.floats(1.05, 4), st.floats(5, 2000)
)  # fmt: skip
@example(1230.0, 50.0, 2.0, 1107.0)
@settings(max_examples=50)
def test_it_never_loses_much_against_raw_or_packed(
    making: float, packing: float, ratio: float, link: float
) -> None:
    leases = 600
    simulate(making * MB, packing * MB, ratio, link * MB, leases)
    taken: float = simulate.seconds  # type: ignore[attr-defined]
    raw = leases * 8 / min(making, link)
    packed = leases * 8 / min(1 / (1 / making + 1 / packing), link * ratio)
    tries = (SETTLE + COUNTED) * (8 / min(making, link) + 8 / making + 8 / packing)  # of each, once
    assert taken < 1.35 * min(raw, GAIN * packed) + tries


def test_a_packer_leaves_raw_what_gains_nothing() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (4, 64, 64, 3)).astype(np.uint8)
    flat, labels = np.zeros_like(noise), np.arange(4)
    frames, how = Compressor("zstd").pack([noise, flat, labels])
    assert how == ("", "zstd", "")
    assert frames[0] is noise
    assert frames[1].nbytes < flat.nbytes / 10
    assert Compressor("none").pack([flat]) == ([flat], ())
    assert not Compressor("auto").packs


@pytest.mark.parametrize("mode", ["none", "zstd"])
def test_only_auto_changes_its_mind(mode: str) -> None:
    compressor = Compressor(mode)
    for number in range(100):
        compressor.sent(8_000_000, 1.0, float(number))
    assert compressor.packs is (mode == "zstd")
