"""A slow generator among fast ones: what the rules of leases, hands and backups come to."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plan.fleet import run


@pytest.mark.parametrize("visit", [0.002, 0.02, 0.3])
def test_one_at_a_tenth_of_the_speed_adds_to_the_rest(visit: float) -> None:
    """Three alone, then with the slow one: 3.1 / 3 would be ideal."""
    visits = int(max(300, min(8000, 60 / visit)))
    alone, _ = run([1, 1, 1], visit=visit, visits=visits)
    joined, leases = run([1, 1, 1, 0.1], visit=visit, visits=visits)
    assert alone / joined > 1.0
    assert leases.pace.hand("g3") == 1 and leases.pace.hand("g0") >= 2


def test_one_behind_a_slow_link_adds_to_the_rest() -> None:
    """It makes its visits as fast as the others, and says so; they only arrive late."""
    alone, _ = run([1, 1, 1], known=0.01)
    joined, leases = run([1, 1, 1, 0.02], known=0.01)
    assert alone / joined > 0.98
    assert leases.pace.hand("g3") == 1


@settings(max_examples=25)
@given(
    st.floats(0.05, 0.3),
    st.integers(3, 6),
    st.sampled_from([0.01, 0.05, 0.2]),
    st.sampled_from([300, 1000]),
)
def test_a_slow_one_never_costs_a_twentieth(
    slow: float, fast: int, visit: float, room: int
) -> None:
    """Where the budget holds a second's work of the fleet, or so: less limits any fleet."""
    alone, _ = run([1.0] * fast, visit=visit, visits=1500, room=room)
    joined, _ = run([*[1.0] * fast, slow], visit=visit, visits=1500, room=room)
    assert alone / joined > 0.95
