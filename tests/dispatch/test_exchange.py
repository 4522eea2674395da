"""The exchange alone, with messages put in by hand."""

from __future__ import annotations

import logging

import msgspec
import pytest

from pushfit import __version__
from pushfit.tasks import compatibility
from pushfit.wire import protocol as wire
from pushfit.wire.connections import Origin
from tests.fuzz.machine import Machine


def test_last_words_count_though_the_connection_is_known_to_be_closed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "pushfit")
    machine, origin = Machine(), Origin(1, "", False)
    sockets, exchange = machine.sockets, machine.exchange

    def say(message: msgspec.Struct) -> None:
        sockets.control.append(("a", wire.encode(message), origin))

    say(
        wire.Hello(
            host="h",
            pid=7,
            slots=2,
            libraries=compatibility.libraries(),
            version=__version__,
        )
    )
    exchange.turn()
    assert exchange.connected() == ["a"]

    # It gives up and ends; the poll of this turn was before that, the look at connections after.
    say(wire.Fail(run="run", lease=0, fence=0, record=-1, path="", reason="no file", retry=False))
    sockets.disconnect("a")
    monkeypatch.setattr(sockets, "poll", lambda seconds: (False, False))
    monkeypatch.setattr(exchange, "_next_tick", 0.0)
    exchange.turn()

    assert "h (pid 7) cannot take part: no file" in caplog.text
    assert "ignored" not in caplog.text and not exchange.connected()
