"""`bench transport` as short as it goes; the sides themselves compare what was delivered."""

from __future__ import annotations

import pytest

from tests.support.benches import bench

pytestmark = pytest.mark.slow


def test_transport() -> None:
    words = "--seconds 0.2 --rounds 1 --sizes 0.8MB --peers 1"
    result = bench("transport", *words.split())
    for name in ("vs_raw", "vs_raw_kept", "vs_tfdata_service", "vs_tfdata_service_compressed"):
        assert result["ratios"][f"{name}_0.8MB"] > 0
    for side in ("raw", "ours", "tf_uncompressed", "tf_compressed_tuned"):
        assert result["figures"][f"{side}_0.8MB_x1_cpu_s_per_gb"] > 0
