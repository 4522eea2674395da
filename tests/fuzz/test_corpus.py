"""The corpus of what fuzzing found, through the two receive paths: no exception, bounded memory."""

from __future__ import annotations

import logging
import random
import tracemalloc
from collections import Counter

import pytest

from tests.fuzz.machine import Machine, Reader, corpus, decoders, one_input

MIB = 2**20
INPUTS = corpus()


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="pushfit")


def test_what_fuzzing_found_raises_nothing_and_takes_no_memory() -> None:
    assert len(INPUTS) > 100
    tracemalloc.start()
    try:
        for data in INPUTS:
            one_input(data)
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


def test_the_corpus_reaches_every_state_that_a_peer_can_bring_about() -> None:
    faults: Counter[str] = Counter()
    delivered = 0
    for data in INPUTS:
        machine = Machine(own=data[0] < 128 if data else True)
        machine.run(data[1:])
        faults += machine.exchange.faults + machine.exchange.backups
        delivered += sum(map(len, machine.exchange.ready))
    assert delivered
    wanted = {
        *("protocol_errors", "impostors", "revoked", "foreign_run", "rejected", "disconnected"),
        *("late", "duplicate", "unknown", "unreadable", "generators_lost", "bad_visits"),
        *("lease_lost", "made", "given_up"),
    }
    assert faults.keys() >= wanted, wanted - faults.keys()


def test_one_machine_stays_bounded_whatever_it_is_told() -> None:
    """All of the corpus, and noise between, into a single trainer."""
    noise, machine = random.Random(0), Machine()
    for data in INPUTS * 3:
        machine.run(data[1:])
        machine.run(noise.randbytes(60))
        machine.reconnect()
    assert len(machine.exchange.roster.peers) <= 4


def test_a_reader_ends() -> None:
    reader = Reader(b"ab")
    assert (reader.byte(), reader.take(5), reader.byte(), reader.left) == (97, b"b", 0, False)


@pytest.mark.parametrize("head", [b"", b"\xc0", b"\x81\xa4type", b"\xdd\xff\xff\xff\xff", b"x\x9c"])
def test_short_and_boastful_frames_are_refused_at_once(head: bytes) -> None:
    tracemalloc.start()
    try:
        decoders(head + bytes(100))
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()
