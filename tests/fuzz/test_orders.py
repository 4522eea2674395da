"""A short run of what a trainer may send to a generator, and that the fuzzer finds an escape."""

from __future__ import annotations

import logging

import pytest

from pushfit.generator.maker import Maker
from tests.fuzz.orders import fuzz


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="pushfit")


def test_a_generator_answers_whatever_a_trainer_sends_with_a_sentence_at_most() -> None:
    came = fuzz(400, seed=1)
    assert came["leases"] > 100
    assert min(came[how] for how in ("finished", "ProtocolError", "ConfigError", "Rejected")) > 5


def test_an_escape_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Maker, "check", lambda *_: None)
    with pytest.raises((KeyError, IndexError)):
        fuzz(400, seed=2)
