"""The time of a step, told apart from waiting, whoever pulls batches, however late."""

from __future__ import annotations

import pytest

from pushfit.observe.steps import Steps


def test_a_loop_that_pulls_its_own_batches_and_tells_ends_late() -> None:
    """As on PyTorch: hooks run in a thread, often after the next batch was asked for."""
    steps = Steps(ahead=False)
    now = 0.0
    steps.begun(now)
    for _ in range(11):
        steps.asked("train", now)
        now += 0.1  # waiting for the batch
        steps.handed("train", 32, now)
        now += 0.9  # the step
        steps.asked("train", now)  # before the thread has told of its end
        steps.ended("train", 1, now)
    assert steps.busy == pytest.approx(9.0)
    assert steps.waited == pytest.approx(1.0)
    assert steps.samples == 320


def test_a_thread_that_reads_ahead() -> None:
    steps = Steps()
    steps.begun(0.0)
    for number in range(11):
        steps.asked("train", float(number))
        steps.handed("train", 32, number + 0.2)  # long before it is wanted
        steps.asked("train", number + 0.3)
        steps.ended("train", 1, number + 1.0)
    assert steps.busy == pytest.approx(7.0)
    assert steps.waited == pytest.approx(3.0)
