"""The watchdog ends a process that is stuck, says where, and leaves all others alone."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator

import pytest

from bench.lab.processes import ROOT
from pushfit.generator.watchdog import named

START = """
import logging, sys, time
logging.basicConfig(stream=sys.stderr)
from pushfit.generator.watchdog import Watchdog
dog = Watchdog()
dog.start(0.5)
dog.moved("train/a.jpg of lease 7")
def user_code():
    {code}
print("began", flush=True)
user_code()
dog.stop()
print("ended", flush=True)
"""
Start = Callable[[str], subprocess.Popen[str]]
GIL_KEPT = "import ctypes; ctypes.PyDLL(None).sleep(100)"  # PyDLL does not let the GIL go


@pytest.fixture
def start() -> Iterator[Start]:
    processes: list[subprocess.Popen[str]] = []

    def begin(code: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", START.replace("{code}", code)]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(words, cwd=ROOT, stdout=pipe, stderr=pipe, text=True))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("code", ["time.sleep(100)", "while True: pass"])
def test_code_that_hangs_ends_the_process_and_is_shown(start: Start, code: str) -> None:
    out, err = start(code).communicate(timeout=60)
    assert "ended" not in out
    assert "at train/a.jpg of lease 7: process" in err and "in user_code" in err


def test_code_that_hangs_in_c_and_keeps_the_gil_is_ended_all_the_same(start: Start) -> None:
    out, err = start(GIL_KEPT).communicate(timeout=60)
    assert "ended" not in out
    assert "Timeout" in err and "in user_code" in err


def test_c_code_that_keeps_the_gil_or_crashes_is_shown_with_the_name_of_the_file(
    start: Start,
) -> None:
    for does in (GIL_KEPT, "import ctypes; ctypes.string_at(0)"):
        inner = f"exec({does!r})"
        code = f"from pushfit.generator.watchdog import named; named('a\\n/ö.jpg', lambda: {inner})"
        _, err = start(code).communicate(timeout=60)
        assert r"in a\n/\xf6.jpg" in err


def test_a_frame_with_a_name_returns_and_raises_what_is_called() -> None:
    assert named("\udcff", lambda: 7) == 7
    with pytest.raises(KeyError) as raised:
        named("train/a.jpg", lambda: {}["x"])
    assert "train/a.jpg" in [
        frame.name for frame in traceback.extract_tb(raised.value.__traceback__)
    ]


def test_who_moves_or_was_stopped_for_long_is_left_alone(start: Start) -> None:
    process = start("[(dog.moved('x'), time.sleep(0.05)) for _ in range(30)]")
    assert process.stdout is not None
    assert process.stdout.readline() == "began\n"
    process.send_signal(signal.SIGSTOP)
    time.sleep(1.0)  # twice the expiry
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("ended\n", "", 0)


def test_a_crash_in_c_shows_where(start: Start) -> None:
    process = start("import ctypes; ctypes.string_at(0)")
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in err and "in user_code" in err
