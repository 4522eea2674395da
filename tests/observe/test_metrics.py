"""Rates over a span of time, and since the call before."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pushfit.observe.metrics import Recent


@pytest.mark.parametrize(("span", "rate", "stalled"), [(10.0, 8.0, 0.4), (0.0, 20.0, 1.0)])
def test_a_span_and_the_time_since_the_call_before(
    span: float, rate: float, stalled: float
) -> None:
    feed, now = SimpleNamespace(samples=0, waited=0.0), [0.0]
    figures = Recent(feed, lambda: 3, lambda: now[0], span)
    for now[0], feed.samples, feed.waited in ((4.0, 20, 1.0), (5.0, 40, 2.0)):
        told = figures()
    assert told == {"patches_per_second": rate, "stall_share": stalled, "generators": 3}


def test_what_lies_before_the_span_is_forgotten() -> None:
    feed, now = SimpleNamespace(samples=0, waited=0.0), [0.0]
    figures = Recent(feed, lambda: 1, lambda: now[0], 10.0)
    for now[0], feed.samples in ((8.0, 800), (16.0, 808), (24.0, 816)):
        told = figures()
    assert told["patches_per_second"] == 1.0
