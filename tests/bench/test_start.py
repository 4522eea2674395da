"""`bench start` as short as it goes: every worker starts and brings something."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import start
from tests.support.idx_files import write_digits
from tests.support.photos import write_photos

pytestmark = pytest.mark.slow


def test_start(tmp_path: Path) -> None:
    cameras = write_photos(tmp_path / "cameras", train=1, val=0, size=(300, 400))
    mnist = write_digits(tmp_path / "mnist", 300)
    links = ("--cameras", str(cameras), "--mnist", str(mnist))
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
