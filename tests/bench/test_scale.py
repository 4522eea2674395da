"""`bench scale`, as small as it goes: the protocol is spoken whole, and the stream is the same."""

from __future__ import annotations

import pytest

from bench import scale

pytestmark = pytest.mark.slow


def test_sizes_and_a_kill(tmp_path: object) -> None:
    result = scale.run(["--sizes", "2,8", "--rounds", "1", "--seconds", "0.3"])
    assert result["failed"] == []
    assert result["ratios"].keys() == {"t8_vs_8", "hash_equal"}
    assert result["ratios"]["hash_equal"] == 1
    figures = result["figures"]
    assert figures["kill_generators_lost"] == 4  # half of them, and the epoch is whole all the same
    assert (figures["kill_missing"], figures["kill_duplicate"]) == (0, 0)
    assert figures["leases_s_x8"] > 0
    assert figures["grant_p99_ms_x8"] >= figures["grant_p50_ms_x8"] > 0
