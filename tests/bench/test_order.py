"""`bench order` as short as it goes: all three sides deliver."""

from __future__ import annotations

import pytest

from tests.support.benches import bench

pytestmark = pytest.mark.slow


def test_order() -> None:
    ratios = bench("order", "--seconds", 0.3, "--rounds", 1)["ratios"]
    assert min(ratios.values()) > 0
    assert {"exact_vs_arrival", "exact_vs_bare_0.8MB", "exact_vs_bare_8MB"} <= ratios.keys()
