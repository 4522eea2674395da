"""Who works for a run, with messages put in by hand: no thread, no socket."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace

from pushfit import __version__
from pushfit.dispatch.bad_records import BadRecords
from pushfit.dispatch.heartbeat import Heartbeats
from pushfit.dispatch.job import Job
from pushfit.dispatch.measured_log import MeasuredLog
from pushfit.dispatch.membership import Membership
from pushfit.dispatch.misbehaving_peers import MisbehavingPeers
from pushfit.dispatch.roster import Peer, Roster
from pushfit.dispatch.work import Work
from pushfit.errors import DataError
from pushfit.feed.source import Reference
from pushfit.plan.leases import Leases
from pushfit.plan.order import Plan, SplitOrder
from pushfit.tasks import compatibility, visiting
from pushfit.wire import file_listing, packed_visiting
from pushfit.wire import protocol as wire
from pushfit.wire.in_memory import InMemoryGenerator, InMemoryTrainer
from pushfit.wire.legal_orders import State

HELLO = wire.Hello(
    host="h", pid=7, slots=2, libraries=compatibility.libraries(), version=__version__
)
JOB = Job(run="run", task="number", params={}, seed=1, patches={"train": 1}, source="s")


def ready(classes: tuple[str, ...]) -> wire.Ready:
    """A READY with two records of each class."""
    return wire.Ready(
        run="run",
        source="s",
        fingerprint=" ".join(classes),
        classes=classes,
        counts={"train": [2] * len(classes)},
        listing=file_listing.pack([f"train/{name}\t1" for name in classes for _ in "ab"]),
    )


class Run:
    """A membership without data of its own, whose run needs two classes.

    known: the data set of the run that is resumed.
    """

    def __init__(self, known: Reference | None = None) -> None:
        self.sockets = InMemoryTrainer(waits=False)
        self.faults: Counter[str] = Counter()
        self.roster = Roster(compatibility.libraries(), "s", None, known)
        self.lines = MeasuredLog()
        beats = Heartbeats(self.sockets, "run", 1.0, 30.0, 0.1, lambda: self.members.need)
        self.members = Membership(
            self.sockets,
            JOB,
            self.roster,
            self.faults,
            self.lines,
            MisbehavingPeers(self.sockets, self.faults, self.lines),
            beats,
            self._work,
        )
        self.ends: dict[str, InMemoryGenerator] = {}

    def _work(self, reference: Reference) -> Work:
        if len(reference.classes) < 2:
            raise DataError("one class is not enough")
        plan = Plan(1, 1, {"train": SplitOrder(tuple(reference.counts["train"]), 1)}, 100, 0)
        leases = Leases(plan, budget=400, lease_bytes=100)
        given = self.roster, self.faults, BadRecords(), self.lines
        return Work("run", leases, reference, {}, *given)

    def says(self, name: str, message: wire.FromGenerator, now: float = 0.0) -> Peer:
        """Have the generator called `name` say hello or ready."""
        if name not in self.ends:
            self.ends[name] = InMemoryGenerator(self.sockets, name)
        peer = self.roster.hear(name, message, now)
        if isinstance(message, wire.Ready):
            self.members.join(peer, message, now)
        else:
            self.members.greet(peer, now)
        return peer

    def hears(self, name: str) -> wire.FromTrainer:
        """The next message to the generator called `name`."""
        return wire.from_trainer(self.ends[name].inbox.popleft())


def test_the_first_generator_brings_the_data_set_and_joins() -> None:
    run = Run()
    assert run.members.leases is None and run.members.need == wire.Need(0, True)
    run.says("a", HELLO)
    welcome = run.hears("a")
    assert isinstance(welcome, wire.Welcome) and welcome.fingerprint == ""
    peer = run.says("a", ready(("x", "y")))
    assert run.members.generators == 1 and peer.worked_here
    assert run.members.need == wire.Need(1, True) and run.members.connected() == ["a"]
    assert not run.members.settled


def test_a_data_set_that_the_run_cannot_use_is_rejected_and_the_next_one_is_taken() -> None:
    run = Run()
    run.says("a", HELLO)
    run.hears("a")
    assert run.says("a", ready(("x",))).state is State.REJECTED
    rejected = run.hears("a")
    assert isinstance(rejected, wire.Reject) and "one class is not enough" in rejected.reason
    assert run.roster.reference is None and run.faults["rejected"] == 1
    run.says("b", HELLO)
    run.says("b", ready(("x", "y")))
    assert run.members.generators == 1


def test_a_data_set_is_forgotten_with_its_last_generator_until_it_is_settled() -> None:
    run = Run()
    run.says("a", HELLO)
    run.says("a", ready(("x", "y")))
    run.members.lose("a", "its connection closed", 1.0)
    run.members.forget_data(1.0)
    assert run.members.work is None and run.roster.reference is None

    run.says("b", HELLO)
    run.says("b", ready(("x", "z")))
    run.members.settled = True
    run.members.lose("b", "its connection closed", 2.0)
    run.members.forget_data(2.0)
    assert run.members.work is not None and run.faults["generators_lost"] == 2


def test_what_a_lost_generator_held_is_pending_again_and_it_may_come_back() -> None:
    run = Run()
    run.says("a", HELLO)
    run.says("a", ready(("x", "y")))
    leases = run.members.leases
    assert leases is not None
    held = [lease.id for lease in leases.grant("a", 0.0)]
    run.sockets.disconnect("a")
    run.members.send(run.roster.peers["a"], wire.Alive(run="run"), 1.0)  # finds it gone
    assert held and leases.pending == held and not run.members.connected()
    run.ends["a"].settle()
    run.says("a", HELLO, 2.0)
    assert run.roster.peers["a"].state is State.WELCOMED


def test_a_peer_that_speaks_out_of_turn_begins_again() -> None:
    run = Run()
    run.says("a", HELLO)
    run.says("a", ready(("x", "y")))
    run.ends["a"].inbox.clear()
    run.members.reset("a", 1.0)
    assert isinstance(run.hears("a"), wire.Reset)
    assert run.members.generators == 0 and run.roster.peers["a"].state is State.UNKNOWN


def test_a_generator_with_a_revoked_key_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    run = Run()
    run.says("a", HELLO).user = "node"
    run.says("b", HELLO).user = "other"
    run.sockets.revoking = ["node"]
    run.members.lose_revoked(1.0)
    assert run.members.connected() == ["b"] and run.faults["revoked"] == 1
    assert "the key node is not admitted any more" in caplog.text


def test_a_run_whose_weights_are_awaited_begins_when_a_generator_brings_them() -> None:
    how = visiting.of((1, 0, 2, 2), (), 4)
    known = Reference(("x", "y"), {"train": [2, 2]}, "x y", [], "the run", awaited=how.digest)
    run = Run(known)
    assert run.members.leases is None and not run.members.settled
    run.says("a", HELLO)
    welcome = run.hears("a")
    assert isinstance(welcome, wire.Welcome) and welcome.fingerprint == ""  # so it sends all
    whole = replace(ready(("x", "y")), weights=packed_visiting.pack(how.weights))
    run.says("a", whole)
    assert run.members.generators == 1 and run.roster.knows_data
    run.members.lose("a", "its connection closed", 1.0)
    run.members.forget_data(1.0)
    assert run.members.work is None and run.roster.reference == known

    run.says("b", HELLO)
    run.says("b", whole)
    run.members.settled = True
    run.says("c", HELLO)
    welcome = run.hears("c")
    assert isinstance(welcome, wire.Welcome) and welcome.fingerprint == "x y"
    run.says("c", ready(("x", "y")))  # without the weights, which the run has
    assert run.members.generators == 2
