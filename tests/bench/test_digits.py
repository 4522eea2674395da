"""`bench digits` as short as it goes: every side runs, and what came is what was sent."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench import _augmented, _digits, digits
from tests.support.idx_files import write_digits


@pytest.mark.slow
def test_digits(tmp_path: Path) -> None:
    links = write_digits(tmp_path, 300)
    result = digits.run(["--seconds", "0.2", "--rounds", "1", "--links", str(links)])
    redis = {f"vs_{side}" for side in _digits.REDIS}
    made = {f"vs_{side}" for side in _augmented.SIDES if side != "ours"}
    if shutil.which("redis-server"):
        assert result["failed"] == []  # each side compared the samples with what they must be
    else:
        assert all("there is no redis-server" in sentence for sentence in result["failed"])
        redis = set()
    assert result["ratios"].keys() == redis | made
    assert {"delivered_samples_s", "leases_samples_s", "mixed_samples_s"} <= result[
        "figures"
    ].keys()
    assert min(*result["ratios"].values(), *result["figures"].values()) > 0


def test_images_follow_from_labels_and_a_wrong_one_is_seen() -> None:
    images, labels = _digits.ready()
    check = _digits.Check()
    check(images[:2000], labels[:2000])
    assert check.right
    images[5] ^= 1
    check(images[:10], labels[:10])
    assert not check.right
