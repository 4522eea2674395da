"""A signal ends a bench wherever it arrives, and does not end its clean-up."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

from bench.lab.processes import LONG, ROOT

PROGRAM = """
    import os, signal, sys, time
    from contextlib import ExitStack
    from bench._ending import AGAIN_SECONDS, by_signals

    def work():
        until = time.monotonic() + 60
        while time.monotonic() < until:
            time.sleep(0.01)

    class Lost:
        def __del__(self):
            os.kill(os.getpid(), int(sys.argv[1]))  # its handler raises here
            time.sleep(0.01)

    def clean_up():
        try:
            time.sleep(2.5 * AGAIN_SECONDS)
            raise OSError
        except OSError:
            time.sleep(1.5 * AGAIN_SECONDS)
        print("cleaned up", flush=True)

    try:
        with by_signals(), ExitStack() as stack:
            stack.callback(clean_up)
            Lost()
            print("lost", flush=True)
            work()
    except KeyboardInterrupt:
        time.sleep(1.5 * AGAIN_SECONDS)
        print("ended", flush=True)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_lost_interruption_is_raised_again_until_it_is_handled(number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(int(number))],
        cwd=ROOT, capture_output=True, text=True, timeout=LONG,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["lost", "cleaned up", "ended"], done.stderr
    assert done.returncode == 0
