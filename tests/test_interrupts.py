"""Ctrl-C when the main thread does not listen: a second one, and the deadline."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from bench.lab.processes import LONG, ROOT

# time.sleep goes on after a handler that raises nothing: as deaf as a wait inside TensorFlow.
DEAF = """
    with interrupts.gently(lambda: say("unblocked"), ". Advice."):
        say("ready")
        time.sleep(60)
"""
SAVING = """
    with interrupts.gently(lambda: None, ""):
        with interrupts.unhurried():
            say("ready")
            until = time.monotonic() + 4
            while time.monotonic() < until:
                time.sleep(0.1)
            say("saved")
        time.sleep(60)
"""
LISTENING = """
    try:
        say("ready")
        time.sleep(60)
    except KeyboardInterrupt:
        say("raised")
        assert interrupts.interrupted.is_set()
    try:
        with interrupts.gently(lambda: None, ""):
            say("once is enough")
    except KeyboardInterrupt:
        say("raised again")
    interrupts.end_now(7)
"""
# What a signal in the middle of C code can come to: an error that names something else.
ANOTHERS = """
    from pushfit.entry import enter
    def main(argv):
        try:
            say("ready")
            time.sleep(60)
        except KeyboardInterrupt:
            raise AttributeError("_type_spec")
    enter(main, [])
"""
WHOLE = """
    try:
        with interrupts.whole(". Advice."):
            say("ready")
            while not interrupts.interrupted.wait(0.1):
                pass
            say("whole")
        say("not reached")
    except KeyboardInterrupt:
        say("raised")
    with interrupts.whole(". Advice."):
        say("once is enough")
    interrupts.end_now(7)
"""


def program(body: str) -> subprocess.Popen[str]:
    head = """
    import time
    from pushfit import interrupts
    say = lambda text: print(text, flush=True)
    interrupts.end_on_signals()
    """
    started = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(body)],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def ended(started: subprocess.Popen[str]) -> tuple[int, str, str]:
    with started:
        out, err = started.communicate(timeout=LONG)
    return started.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_does_not_listen_is_ended(number: signal.Signals) -> None:
    started = program(DEAF)
    asked = time.monotonic()
    os.kill(started.pid, number)
    os.kill(started.pid, number)  # to the process, and to its group: it counts once
    code, out, err = ended(started)
    assert (code, out) == (130, "unblocked\n")
    assert "ended at once: not done within 2.5 s. Advice." in err
    assert time.monotonic() - asked > 2.0


def test_a_second_ctrl_c_ends_at_once() -> None:
    started = program(DEAF)
    os.kill(started.pid, signal.SIGINT)
    time.sleep(1.0)
    os.kill(started.pid, signal.SIGINT)
    code, _, err = ended(started)
    assert code == 130
    assert "ended at once: a second signal arrived. Advice." in err


def test_saving_takes_the_time_that_it_takes() -> None:
    started = program(SAVING)
    os.kill(started.pid, signal.SIGTERM)
    code, out, err = ended(started)
    assert (code, out) == (130, "saved\n")
    assert "not done within" in err  # what comes after it has its seconds again


def test_who_listens_hears_it_once() -> None:
    started = program(LISTENING)
    os.kill(started.pid, signal.SIGINT)
    code, out, err = ended(started)
    assert (code, err) == (7, "")
    assert out == "raised\nonce is enough\n"


def test_an_error_that_the_signal_led_to_counts_as_the_signal() -> None:
    started = program(ANOTHERS)
    os.kill(started.pid, signal.SIGINT)
    assert ended(started) == (130, "", "")


def test_what_is_to_stay_whole_ends_before_the_signal_is_raised() -> None:
    started = program(WHOLE)
    os.kill(started.pid, signal.SIGINT)
    assert ended(started) == (7, "whole\nraised\nonce is enough\n", "")
