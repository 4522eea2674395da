"""A short run of leases with other values, frames and declarations than the task's."""

from __future__ import annotations

from typing import Any

import pytest

from pushfit.dispatch.claims import Claims
from tests.fuzz.arrays import fuzz


def test_what_is_taken_is_what_the_task_declares_and_what_is_right_is_taken() -> None:
    came = fuzz(2000, seed=1)
    assert min(came["taken"], came["charged"]) > 500


@pytest.mark.parametrize("broken", [lambda *_: None, lambda *_: 1 / 0])
def test_an_escape_would_be_found(monkeypatch: pytest.MonkeyPatch, broken: Any) -> None:
    monkeypatch.setattr(Claims, "check", broken)
    with pytest.raises((AssertionError, ZeroDivisionError)):
        fuzz(2000, seed=1)
