"""The liar of `bench chaos`: it is put out, it costs no record, and none of its lies is taken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench._liar import LIES, Liar, Over
from pushfit.wire.admission import Admission
from pushfit.wire.keys import GeneratorKey, KeyFolder, read_secret
from tests.support.rig import Rig, assert_clean, until


@pytest.fixture
def folder(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "keys", make=True)


def key_of(folder: KeyFolder, name: str) -> GeneratorKey:
    return read_secret(folder.make(name), GeneratorKey)


def test_no_lie_is_taken_for_a_sample(rig: Callable[..., Rig], folder: KeyFolder) -> None:
    one, calm = rig(admission=Admission(folder)), rig()
    liar = Liar(one.address, key_of(folder, "liar"), seed=0)
    with ExitStack() as stack:
        sessions = [stack.enter_context(liar.joined(lie.__name__)) for lie in LIES]
        granted = [liar.leases(session) for session in sessions]
        one.worker(key=key_of(folder, "honest"))
        until(lambda: one.dispatcher.generators == len(LIES) + 1)
        for lie, session, grants in zip(LIES, sessions, granted, strict=True):
            before = told(one)
            liar.say(session, lie(session, grants[0]))
            until(lambda before=before: told(one) > before)  # type: ignore[misc]
    calm.worker()
    assert one.drained() == calm.drained()
    assert one.rows == []


def told(rig: Rig) -> int:
    """What the trainer counted of it."""
    kinds = ("protocol_errors", "late", "unknown", "unreadable", "refused")
    return sum(rig.dispatcher.exchange.faults[kind] for kind in kinds)


@pytest.mark.slow
def test_a_liar_is_put_out_and_its_broken_connections_cost_no_record(
    rig: Callable[..., Rig], folder: KeyFolder
) -> None:
    one, ended = rig(admission=Admission(folder), epochs=500), list[Over]()

    def lie() -> None:
        try:
            Liar(one.address, key_of(folder, "liar"), seed=0).run()
        except Over as over:
            ended.append(over)

    one.worker(key=key_of(folder, "honest"))
    until(lambda: one.dispatcher.generators == 1)
    thread = threading.Thread(target=lie)
    thread.start()
    feed = one.feed()
    for _ in feed.all():
        if thread.is_alive():
            time.sleep(0.005)
    thread.join()
    assert "put out" in str(ended[0])
    assert_clean(feed.audit())
    assert one.rows == []
