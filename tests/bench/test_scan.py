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
    } | {
        f"{side}_{name}"
        for side in ("folders", "list", "sized_list", "new_shards", "shards")
        for name in ("scan_s", "kept_mb", "peak_mb")
    }
    assert min(result["figures"].values()) >= 0  # a small scan may leave nothing
    assert min(value for name, value in result["figures"].items() if "kept" not in name) > 0
