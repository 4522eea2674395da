"""Which data sets a trainer takes: what READY says of one is another host's word."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pushfit.dispatch.roster import Peer, Roster
from pushfit.errors import ProtocolError
from pushfit.feed.source import Reference
from pushfit.tasks import visiting
from pushfit.tasks.visiting import Visiting
from pushfit.wire import protocol as wire
from pushfit.wire.packed_visiting import pack

WEIGHED = visiting.of((1, 0, 2), (5, 5, 6), 3)
HEAVIER = visiting.of((1, 0, 3), (5, 5, 6), 3)


def ready(fingerprint: str = "print", **facts: Any) -> wire.Ready:
    return wire.Ready(
        run="r",
        source="s",
        fingerprint=fingerprint,
        classes=("a",),
        counts={"train": [3]},
        facts=facts,
    )


def test_the_facts_of_the_first_are_the_runs_and_others_are_told_what_differs() -> None:
    roster, peer = Roster({}, "s", None), Peer("n", "host", 1, 0.0)
    assert roster.admit(peer, ready(columns=5)) == ""
    assert roster.reference is not None and roster.reference.facts == {"columns": 5}
    assert roster.admit(peer, ready(columns=5)) == ""
    said = roster.admit(peer, ready("other", columns=6))
    assert "scan() found something else, the fact 'columns' is 6 there, 5 in this run" in said


@pytest.mark.parametrize(
    ("facts", "what"),
    [({"a": float("inf")}, "not finite"), ({"a": ("x" * 2**19, "y" * 2**19)}, "its facts take")],
)
def test_facts_that_no_scan_gives_are_refused(facts: dict[str, Any], what: str) -> None:
    roster = Roster({}, "s", None)
    assert what in roster.admit(Peer("n", "host", 1, 0.0), ready(**facts))
    assert roster.reference is None


@pytest.mark.parametrize("facts", [{"": 1}, {"a": None}, {"a": {"b": 1}}, {"a": [[1]]}])
def test_facts_of_another_kind_are_no_message(facts: dict[str, Any]) -> None:
    message = ready(**facts)
    assert "facts" in wire.unfit(message)


def weighed(how: Visiting, fingerprint: str = "print") -> wire.Ready:
    return msgspec.structs.replace(
        ready(fingerprint), weights=pack(how.weights), groups=pack(how.groups)
    )


def test_the_first_brings_weights_and_groups_and_others_are_told_that_theirs_differ() -> None:
    roster, peer = Roster({}, "s", None), Peer("n", "host", 1, 0.0)
    assert roster.admit(peer, weighed(WEIGHED)) == "" and roster.knows_data
    assert roster.reference is not None and roster.reference.visiting == WEIGHED
    assert roster.admit(peer, ready()) == ""  # WELCOME named the fingerprint, so it left them out
    assert roster.reference.visiting == WEIGHED
    for other in (weighed(HEAVIER, "other"), ready("other")):
        said = roster.admit(peer, other)
        assert "other weights or groups there than in this run" in said


def test_numbers_that_no_scan_gives_are_no_ready() -> None:
    roster = Roster({}, "s", None)
    for wrong in (b"nonsense", pack(bytes(12)), pack(bytes(4))):
        message = msgspec.structs.replace(ready(), weights=wrong)
        with pytest.raises(ProtocolError, match="weights or groups of records are not valid"):
            roster.admit(Peer("n", "host", 1, 0.0), message)
    assert roster.reference is None


def test_weights_of_a_run_that_is_resumed_come_with_the_first_that_has_them() -> None:
    known = Reference(("a",), {"train": [3]}, "print", [], "the run", awaited=WEIGHED.digest)
    roster, peer = Roster({}, "s", None, known), Peer("n", "host", 1, 0.0)
    assert not roster.knows_data
    for other in (ready(), weighed(HEAVIER)):
        said = roster.admit(peer, other)
        assert "did not send the weights and groups of the run's data" in said
    assert "other weights or groups" in roster.admit(peer, weighed(HEAVIER, "other"))
    assert "1 records in this run" not in roster.admit(peer, weighed(WEIGHED, "other"))
    assert not roster.knows_data
    assert roster.admit(peer, weighed(WEIGHED)) == "" and roster.knows_data
    assert roster.reference is not None and roster.reference.visiting == WEIGHED
    roster.forget_data()
    assert roster.reference == known
