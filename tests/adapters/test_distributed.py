"""`stream.keras` within a distribution over devices that the user has made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest

from bench.lab.processes import ROOT

pytestmark = pytest.mark.slow

EVEN, COUNTED, DROP_LAST = True, True, True


def elsewhere(backend: str, *forms: tuple[bool, ...]) -> list[dict[str, Any]]:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    parts = "--xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.distributed", json.dumps(forms)],
        env={**os.environ, "KERAS_BACKEND": backend, "XLA_FLAGS": parts},
        cwd=ROOT, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def is_whole(found: dict[str, Any], train: int) -> None:
    assert found["steps"] == [3 * train, 3 * 3]
    for row in (row for rows in found["audit"].values() for row in rows):
        assert row["seen"] == row["expected"]
        assert (row["missing"], row["duplicate"], row["skipped"]) == (0, 0, 0)


def test_a_mirrored_strategy_needs_somebody_who_counts() -> None:
    whole, even, untold = elsewhere(
        "tensorflow", (not EVEN, COUNTED), (EVEN, COUNTED), (EVEN, not COUNTED)
    )
    is_whole(whole, 10)
    is_whole(even, 9)
    assert "make the callback pushfit.Checkpoint(stream, FILE) in the scope" in untold["error"]


def test_data_parallel_needs_batches_that_divide() -> None:
    even, untold, odd = elsewhere("jax", (EVEN, COUNTED), (EVEN, not COUNTED), (not EVEN, COUNTED))
    is_whole(even, 9)
    is_whole(untold, 9)
    assert "train has a batch of 3 samples, which the 2 devices of DataParallel" in odd["error"]
    assert "give drop_last=True, choose a batch_size that divides" in odd["error"]


def test_a_smaller_last_batch_that_is_left_out_need_not_divide() -> None:
    """Of 39 samples 9 batches of 4 are trained on."""
    (found,) = elsewhere("jax", (not EVEN, COUNTED, DROP_LAST))
    assert found["steps"] == [3 * 9, 3 * 3]
    rows = found["audit"]
    assert [(row["seen"], row["skipped"], row["missing"]) for row in rows["train"]] == [
        (36, 3, 0)
    ] * 3
    assert [row["skipped"] for row in rows["val"]] == [0] * 3
