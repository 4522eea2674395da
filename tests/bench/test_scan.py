"""`bench scan` with few records: each side works, and its figures are there."""

from __future__ import annotations

import pytest

from bench import scan

pytestmark = pytest.mark.slow


def test_scan() -> None:
    result = scan.run(["--records", "3000"])
    assert result["failed"] == []
    assert result["ratios"].keys() == {"further_vs_alone"}
    assert result["figures"].keys() == {
        f"{side}_{name}"
        for side in ("alone", "first", "further", "small")
        for name in ("private_mb", "peak_mb", "joined_s")
    }
    assert min(result["figures"].values()) > 0
