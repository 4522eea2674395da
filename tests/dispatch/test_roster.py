"""Which data sets a trainer takes: the facts in READY are another host's word."""

from __future__ import annotations

from typing import Any

import pytest

from pushfit.dispatch.roster import Peer, Roster
from pushfit.wire import protocol as wire


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
