"""A short run of what `python -m tests.fuzz.files` does at length."""

from __future__ import annotations

import logging

import pytest

from tests.fuzz.files import fuzz


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="pushfit")


def test_files_with_bytes_changed_are_read_or_told() -> None:
    came = fuzz(300, seed=1)
    for target in ("state", "archive", "store", "config", "quarantine", "key"):
        assert came[f"{target} read"] + came[f"{target} told"] == 300
    assert min(came[f"{target} told"] for target in ("state", "archive", "store", "key")) > 50
