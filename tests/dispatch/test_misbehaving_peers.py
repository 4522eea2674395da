"""Peers that do not keep to the protocol, or fall silent: a counter, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest
import zstandard

from pushfit.dispatch.measured_log import MeasuredLog
from pushfit.dispatch.misbehaving_peers import MisbehavingPeers
from pushfit.dispatch.roster import Peer
from pushfit.wire import protocol as wire
from pushfit.wire.admission import BROKE_OFF, Refused
from pushfit.wire.transports import TrainerTransport
from tests.support.rig import Rig, Stranger, assert_clean, until


def test_garbage_at_either_socket_costs_a_counter(rig: Callable[..., Rig]) -> None:
    one = rig()
    stranger = Stranger(one)
    stranger.say(b"\xff nonsense")
    assert isinstance(stranger.hears(), wire.Reset)
    stranger.say(wire.encode(wire.Heartbeat(run="run")))  # nobody said hello
    assert isinstance(stranger.hears(), wire.Reset)
    stranger.joins(one.task.scan(one.links))
    assert isinstance(stranger.hears(), wire.Grants)  # from now on lease 0 is known
    arrays = [memoryview(bytes(8))]
    specs = one.task.arrays()
    fields: dict[str, Any] = {
        "run": "run", "generator": "stranger", "lease": 0, "fence": 1, "first": 0, "count": 1,
        "arrays": specs, "stages": wire.Stages(),
    }  # fmt: skip
    frames = [b"nonsense"]
    frames += [wire.encode(wire.Data(**{**fields, "run": "another"}))]
    frames += [wire.encode(wire.Data(**{**fields, "lease": 999}))]
    frames += [wire.encode(wire.Data(**{**fields, "arrays": ()}))]
    for frame in frames:
        until(lambda frame=frame: stranger.sockets.push(frame, arrays, 0.1))  # type: ignore[misc]
    faults = one.dispatcher.exchange.faults
    until(lambda: faults["foreign_run"] == 1 and faults["unknown"] == 1)
    until(lambda: faults["protocol_errors"] >= 4)
    stranger.close()
    one.worker()
    assert_clean(one.drained())


def test_each_reason_of_a_host_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Two generators of one host knock by turns, refused for reasons of their own."""

    class Knocked:
        refused: list[Refused]

        def look_after(self) -> list[str]:
            self.refused = [
                Refused("192.0.2.7:5000", "its key, two, was revoked"),
                Refused("192.0.2.7:5001", BROKE_OFF),
            ]
            return []

    faults: Counter[str] = Counter()
    misbehaving = MisbehavingPeers(cast(TrainerTransport, Knocked()), faults, MeasuredLog())
    for _ in range(5):
        misbehaving.look()
    assert [record.getMessage() for record in caplog.records] == [
        "refused a generator at 192.0.2.7: its key, two, was revoked",
        f"refused a generator at 192.0.2.7: {BROKE_OFF}",
    ]
    assert faults == {"refused_keys": 5, "failed_handshakes": 5}


def test_the_noise_of_one_kind_hides_no_line_of_another(caplog: pytest.LogCaptureFixture) -> None:
    """And what a peer calls itself makes no line of its own."""

    class Quiet:
        refused: list[Refused] = []

        def look_after(self) -> list[str]:
            return []

    lines = MeasuredLog()
    misbehaving = MisbehavingPeers(cast(TrainerTransport, Quiet()), Counter(), lines)
    peer = Peer("g", "x\n12:00:00 the run is over", 1, 0.0)
    for _ in range(1000):
        misbehaving.turned_away(f"{peer.label}: it has numpy 1")
    lines.say("put out", "disconnected node-1")
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 11 and said[-1] == "disconnected node-1"
    assert said[0] == r"rejected x\n12:00:00 the run is over (pid 1): it has numpy 1"


def test_who_comes_and_goes_without_end_does_not_fill_the_log(
    rig: Callable[..., Rig], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "pushfit.trainer")
    one = rig()
    stranger = Stranger(one)
    data = one.task.scan(one.links)
    for _ in range(300):
        stranger.joins(data)
        assert isinstance(stranger.hears(), wire.Grants)
        stranger.say(wire.encode(wire.Bye(run="run", unstarted=[])))
    stranger.close()
    one.worker()
    assert_clean(one.drained())
    said = [record.getMessage() for record in caplog.records]
    assert "far (pid 1) joined: 1 generator now" in said
    assert len(said) < 100


def test_a_listing_that_does_not_unpack_is_answered_with_reset(rig: Callable[..., Rig]) -> None:
    one = rig(own=False)
    stranger = Stranger(one)
    data = one.task.scan(one.links)
    stranger.joins(msgspec.structs.replace(data, classes=("x", "y")), listing=b"nonsense")
    assert isinstance(stranger.hears(), wire.Reset)
    stranger.close()
    one.worker()
    assert_clean(one.drained())


def test_what_a_generator_sits_on_is_made_by_another_and_its_late_result_is_dropped(
    rig: Callable[..., Rig],
) -> None:
    one = rig()
    stranger = Stranger(one)
    stranger.joins(one.task.scan(one.links))
    granted = stranger.hears()
    assert isinstance(granted, wire.Grants)
    one.worker()
    audit = one.drained()  # the worker makes what the stranger sits on
    assert_clean(audit)
    faults, grant = one.dispatcher.exchange.faults, granted.grants[0]
    late = wire.Data(
        run="run", generator="stranger", lease=grant.lease, fence=grant.fence, first=grant.first,
        count=len(grant.records), arrays=one.task.arrays(), stages=wire.Stages(),
    )  # fmt: skip
    arrays = [memoryview(bytes(8))]
    until(lambda: stranger.sockets.push(wire.encode(late), arrays, 0.1))
    until(lambda: one.dispatcher.exchange.backups["duplicate"] == 1)
    assert not faults["protocol_errors"]
    stranger.close()


def test_a_packed_lease_that_lies_costs_a_counter_and_is_made_by_another(
    rig: Callable[..., Rig],
) -> None:
    one = rig()
    stranger = Stranger(one)
    stranger.joins(one.task.scan(one.links))
    granted = stranger.hears()
    assert isinstance(granted, wire.Grants)
    grant, faults = granted.grants[0], one.dispatcher.exchange.faults
    specs = one.task.arrays()
    rows = len(grant.records) * one.dispatcher.exchange.job.patches["train"]
    whole = [zstandard.compress(bytes(rows * spec.nbytes)) for spec in specs]
    bomb = zstandard.compress(bytes(2**28))
    lies = [[bomb, whole[1]], [whole[0][:-1], whole[1]], [whole[0], whole[1] + b"x"], whole[:1]]
    for number, frames in enumerate(lies, 1):
        data = wire.Data(
            run="run", generator="stranger", lease=grant.lease, fence=grant.fence,
            first=grant.first, count=len(grant.records), arrays=specs, stages=wire.Stages(),
            packed=("zstd",) * len(specs),
        )  # fmt: skip
        views = [memoryview(frame) for frame in frames]
        until(lambda d=data, v=views: stranger.sockets.push(wire.encode(d), v, 0.1))  # type: ignore[misc]
        until(lambda n=number: faults["protocol_errors"] == n)  # type: ignore[misc]
    stranger.close()
    one.worker()
    assert_clean(one.drained())


def test_a_bad_visit_that_the_lease_does_not_have_costs_a_counter(rig: Callable[..., Rig]) -> None:
    one = rig()
    stranger = Stranger(one)
    stranger.joins(one.task.scan(one.links))
    granted = stranger.hears()
    assert isinstance(granted, wire.Grants)
    grant, faults = granted.grants[0], one.dispatcher.exchange.faults
    specs = one.task.arrays()
    rows = len(grant.records) * one.dispatcher.exchange.job.patches["train"]
    frames = [memoryview(bytes(rows * spec.nbytes)) for spec in specs]
    for number, visit in enumerate((grant.first + len(grant.records), 2**31), 1):
        data = wire.Data(
            run="run", generator="stranger", lease=grant.lease, fence=grant.fence,
            first=grant.first, count=len(grant.records), arrays=specs, stages=wire.Stages(),
            bad=[wire.Bad(visit, 0, "a", "b")],
        )  # fmt: skip
        until(lambda d=data: stranger.sockets.push(wire.encode(d), frames, 0.1))  # type: ignore[misc]
        until(lambda n=number: faults["protocol_errors"] == n)  # type: ignore[misc]
    stranger.close()
    one.worker()
    assert_clean(one.drained())


def test_waiting_says_for_what(rig: Callable[..., Rig]) -> None:
    one = rig()
    assert "no generator is connected" in one.dispatcher.exchange.explain()
    assert f"--connect tcp://127.0.0.1:{one.address.port}" in one.dispatcher.exchange.explain()
    stranger = Stranger(one)
    stranger.joins(one.task.scan(one.links))
    assert isinstance(stranger.hears(), wire.Grants)
    stranger.say(wire.encode(wire.Heartbeat(run="run", doing="train/odd/001.txt")))
    until(lambda: "train/odd/001.txt" in one.dispatcher.exchange.explain())
    assert "lease 0 (train epoch 0, visits 0" in one.dispatcher.exchange.explain()
    assert "far (pid 1)" in one.dispatcher.exchange.explain()
    stranger.close()
