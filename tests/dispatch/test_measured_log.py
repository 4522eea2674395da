"""Lines about peers have a measure, each key its own: the first are told, the rest is summed up."""

from __future__ import annotations

import pytest

from pushfit.dispatch.measured_log import LINES, WINDOW_SECONDS, MeasuredLog


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines(clock: Clock, caplog: pytest.LogCaptureFixture) -> MeasuredLog:
    caplog.set_level("INFO", "pushfit.trainer")
    return MeasuredLog(clock)


def test_one_key_that_comes_and_goes_hides_no_line_of_another(
    lines: MeasuredLog, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3000):
        lines.here("restless", 1)
        lines.say("joined", f"joined {number}", user="restless")
        lines.say("left", f"left {number}", user="restless")
    lines.say("joined", "the real one joined", user="node-2")
    said = [record.getMessage() for record in caplog.records]
    assert said[:2] == ["joined 0", "left 0"] and said[-1] == "the real one joined"
    assert len(said) == 2 * (LINES + 1) + 1


def test_each_of_a_crowd_has_its_lines(
    lines: MeasuredLog, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(200):
        lines.here("node", number + 1)
        lines.say("joined", f"joined {number}", user="node")
    for number in range(200):
        lines.say("left", f"left {number}", user="node")
    assert len(caplog.records) == 400


def test_what_was_left_out_is_summed_up_when_the_minute_is_over(
    lines: MeasuredLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(LINES + 7):
        lines.say("left", "left", user="node")
    lines.look()
    assert len(caplog.records) == LINES
    clock.now += WINDOW_SECONDS + 1
    lines.look()
    lines.look()
    assert caplog.records[LINES:][0].getMessage() == "… and 7 more like that (left of the key node)"
    lines.say("left", "left again", user="node")
    assert [record.getMessage() for record in caplog.records[LINES + 1 :]] == ["left again"]
