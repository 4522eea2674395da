"""What people are shown: a program that cannot show it goes on, and its log has it all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.lab.processes import ROOT
from pushfit.terminal import Log, Steady, _Lines, steering


def test_nobody_reads_any_more() -> None:
    read, write = os.pipe()
    stream = Steady(write, "utf-8")
    assert stream.write("first\n") == 6
    assert os.read(read, 100) == b"first\n"
    os.close(read)
    print("second", file=stream, flush=True)
    print("third", file=stream)
    os.close(write)
    assert stream.lost is not None and stream.lost.errno == errno.EPIPE


def test_a_full_disk_and_a_closed_descriptor() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    stream = Steady(full, "utf-8")
    print("lost", file=stream)
    assert stream.lost is not None and stream.lost.errno == errno.ENOSPC
    os.close(full)
    print("also lost", file=stream)
    assert stream.lost.errno == errno.EBADF


def test_a_pipe_that_is_full_and_does_not_block_costs_what_it_cannot_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pushfit.terminal.PATIENCE_SECONDS", 0.05)
    read, write = os.pipe()
    os.set_blocking(write, False)
    stream = Steady(write, "utf-8")
    stream.write("x" * 1_000_000)
    assert isinstance(stream.lost, BlockingIOError)
    os.set_blocking(read, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.read(read, 2**16)
    stream.write("room again")
    assert os.read(read, 100) == b"room again"
    os.close(read)
    os.close(write)


@pytest.mark.parametrize(
    ("encoding", "text", "seen"),
    [
        ("utf-8", "stall 3 % … ▶ köter 猫", "stall 3 % … ▶ köter 猫".encode()),
        ("ascii", "a – b … ▶ köter 猫", rb"a - b ... > k\xf6ter \u732b"),
        ("iso-8859-1", "≥ 3 × köter 猫", b">= 3 \xd7 k\xf6ter \\u732b"),
        ("cp1252", "“…” 🐱", b"\x93\x85\x94 \\U0001f431"),
        (None, "…", "…".encode()),
    ],
)
def test_signs_that_the_terminal_does_not_have(
    encoding: str | None, text: str, seen: bytes
) -> None:
    read, write = os.pipe()
    Steady(write, encoding).write(text)
    assert os.read(read, 1000) == seen
    os.close(read)
    os.close(write)


def test_the_log_has_the_lines_and_not_the_bar(tmp_path: Path) -> None:
    lines = _Lines()
    out = Steady(os.open(os.devnull, os.O_WRONLY), "utf-8", lines)
    err = Steady(os.dup(out.fileno()), "utf-8", lines)
    print("before there was a log", file=out)
    lines.keep(tmp_path / "log.txt")
    bar = steering(err)
    bar.write("epoch 1:  10%|#    |\repoch 1:  20%|##   |")
    out.write("of two ")
    out.write("parts\n\n")
    bar.write("\r            \r\x1b[A")
    err.write("epoch 1: done\n")
    said = [line.split(" ", 2) for line in (tmp_path / "log.txt").read_text().splitlines()]
    assert [words[2] for words in said] == [
        "before there was a log",
        "of two parts",
        "epoch 1: done",
    ]
    assert all(len(date) == 10 and time.count(":") == 2 for date, time, _ in said)
    for stream in (out, err):
        os.close(stream.fileno())


STEERS = "a\x1b[2K\rb\x9b\u202ec\u2028d\udcffe\ufeff\x00"
SPELLED = r"a\x1b[2K\rb\x9b\u202ec\u2028d\udcffe\ufeff\x00"


def test_whoever_writes_nothing_steers_the_terminal_but_a_bar_of_ours(tmp_path: Path) -> None:
    read, write = os.pipe()
    lines = _Lines()
    stream = Steady(write, "utf-8", lines)
    lines.keep(tmp_path / "log.txt")
    print(STEERS, "köter 猫\t.", file=stream)
    assert os.read(read, 100).decode() == f"{SPELLED} köter 猫\t.\n"
    assert (tmp_path / "log.txt").read_text()[20:] == f"{SPELLED} köter 猫\t.\n"
    steering(stream).write("\r 10 %\x1b[K")
    assert os.read(read, 100) == b"\r 10 %\x1b[K"
    os.close(read)
    os.close(write)


def test_a_log_that_cannot_be_written_says_later_what_it_lacks(tmp_path: Path) -> None:
    log = Log(tmp_path / "away" / "log.txt")
    log.add("first", 0.0)
    log.add("second", 0.0)
    (tmp_path / "away").mkdir()
    log.add("third", 0.0)
    said = (tmp_path / "away" / "log.txt").read_text().splitlines()
    assert [line[20:] for line in said] == ["2 lines are missing here", "third"]


PROGRAM = """
import os, sys
from pushfit.entry import enter

def main(argv):
    print("to stdout")
    print("to stderr", file=sys.stderr)
    with open(os.devnull) as file:
        assert file.fileno() > 2
    os.write(3, b"went on")

enter(main, [])
"""


@pytest.mark.parametrize(
    ("streams", "code"),
    [
        ("", 0),
        (">&-", 0),
        ("2>&-", 0),
        (">&- 2>&-", 0),
        ("<&- >&- 2>&-", 0),
        ("2>/dev/full", 0),
        (">/dev/full", 1),  # what it was to show is its only product
        ("| :", 0),  # whoever has had enough may go
    ],
)
def test_whatever_becomes_of_its_streams_a_program_goes_on(
    streams: str, code: int, tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    command = f"{sys.executable} {tmp_path / 'program.py'} 3>{tmp_path / 'fd3'} {streams}"
    done = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (tmp_path / "fd3").read_text() == "went on"
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    if code:
        assert "error: the output could not be written: No space left on device" in done.stderr
