"""`bench start` as short as it goes: every worker starts and brings something."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from bench import start
from tests.support.idx_files import write_digits

pytestmark = pytest.mark.slow


def test_start(tmp_path: Path) -> None:
    for name in ("alpha", "beta"):
        (tmp_path / "cameras" / "train" / name).mkdir(parents=True)
        photo = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
        jpeg = simplejpeg.encode_jpeg(photo, quality=90)
        (tmp_path / "cameras" / "train" / name / "1.jpg").write_bytes(jpeg)
    mnist = write_digits(tmp_path / "mnist", 300)
    links = ("--cameras", str(tmp_path / "cameras"), "--mnist", str(mnist))
    result = start.run(["--rounds", "1", "--warm", "0", *links])
    assert result["failed"] == []
    assert result["ratios"].keys() == {
        f"{worker}_vs_{other}"
        for worker in ("camera", "digits")
        for other in ("import_tensorflow", "tfdata_worker", "torch_worker")
    }
    assert min(*result["ratios"].values(), *result["figures"].values()) > 0


def test_a_side_that_fails_is_told_and_the_rest_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "RIVALS", {})
    nowhere = str(tmp_path / "nowhere")
    result = start.run(["--rounds", "1", "--warm", "0", "--cameras", nowhere, "--mnist", nowhere])
    assert [sentence.partition(":")[0] for sentence in result["failed"]] == [
        "generator_camera",
        "generator_digits",
    ]
    assert "does not exist" in result["failed"][0]
    assert result["figures"]["train_help_s"] > result["figures"]["python_s"] > 0
