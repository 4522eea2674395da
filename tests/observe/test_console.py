"""A terminal gets one bar, a log file gets few plain lines; the audit says what it found."""

import fcntl
import io
import os
import pty
import select
import struct
import sys
import termios
import threading

import pytest

from pushfit.observe.audited import is_clean, with_training
from pushfit.observe.console import Live, audit_table


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def audit(epoch, **different):
    figures = {"expected": 1000, "seen": 1000, "duplicate": 0, "missing": 0, "bad": 0}
    return {"epoch": epoch, "stream_sha256": "ab" * 32, **figures, **different}


def test_plain_lines_come_every_ten_seconds():
    clock, stream = Clock(), io.StringIO()
    live = Live(stream, clock=clock)
    live.begin("epoch 1/2", 100)
    for second in range(1, 26):
        clock.now = second
        live.update(second * 4, "loss 1")
    live.say("a message")
    live.end("epoch 1/2: done")
    live.begin("count", None)
    clock.now += 10
    live.update(3, "x")
    live.close()
    assert stream.getvalue() == (
        "epoch 1/2: 40/100 steps, loss 1\n"
        "epoch 1/2: 80/100 steps, loss 1\n"
        "a message\n"
        "epoch 1/2: done\n"
        "count: 3 steps, x\n"
    )


@pytest.fixture
def terminal(monkeypatch):
    """A pseudo terminal: (the stream to write to, a function that reads what came out)."""
    monkeypatch.setenv("TERM", "xterm")
    main, other = pty.openpty()

    def written():
        text = b""
        while select.select([main], [], [], 0.2)[0]:
            text += os.read(main, 65536)
        return text.decode()

    with os.fdopen(other, "w", encoding="utf-8") as stream:
        yield stream, written
    os.close(main)


@pytest.mark.parametrize(("columns", "rows"), [(0, 0), (100, 0), (100, 30)])
def test_a_terminal_gets_a_bar_and_permanent_lines(terminal, columns, rows, monkeypatch):
    stream, written = terminal
    fcntl.ioctl(stream, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
    monkeypatch.setattr(sys, "stderr", stream)  # tqdm measures nothing but the real ones
    threads = threading.active_count()
    live = Live(every=0.0)
    assert live.terminal
    live.begin("epoch 1/2", 100)
    live.update(50, "loss 1")
    live.say("a message")
    live.update(60, "loss 2")
    live.end("epoch 1/2: done")
    live.begin("epoch 1/2 validation", None)
    live.update(7, "loss 3")
    live.close()
    assert threading.active_count() <= threads  # tqdm's watcher is off
    text = written()
    assert "50/100" in text
    assert "loss 2" in text
    assert "a message\r\n" in text
    assert "\repoch 1/2: done\r\n" in text
    assert "epoch 1/2 validation: 7it" in text
    assert text.rstrip(" \r").endswith("loss 3]")  # and wiped away
    assert "\x1b[A" not in text


def test_a_dumb_terminal_gets_plain_lines(terminal, monkeypatch):
    stream, written = terminal
    monkeypatch.setenv("TERM", "dumb")
    live = Live(stream, every=0.0)
    live.begin("epoch 1/2", 100)
    live.update(50, "loss 1")
    live.close()
    assert written() == "epoch 1/2: 50/100 steps, loss 1\r\n"


def test_the_audit_of_a_run_that_is_right():
    report = {"splits": {"train": [audit(1), audit(2)], "val": [audit(1, expected=9, seen=9)]}}
    assert audit_table(report, became="counted").splitlines() == [
        "split  epoch  expected   seen  duplicate  missing  bad  stream sha256",
        "train      1     1,000  1,000          0        0    0  abababababababab",
        "train      2     1,000  1,000          0        0    0  abababababababab",
        "val        1         9      9          0        0    0  abababababababab",
        "",
        "Every sample was counted exactly once.",
    ]
    assert is_clean(report)


def test_the_audit_of_a_training_has_what_was_trained_on():
    report = {"splits": {"train": [audit(1, trained=1000)]}}
    assert audit_table(report).splitlines() == [
        "split  epoch  expected   seen  trained  duplicate  missing  bad  stream sha256",
        "train      1     1,000  1,000    1,000          0        0    0  abababababababab",
        "",
        "Every sample was handed to fit and trained on exactly once.",
    ]


def test_the_audit_says_what_is_wrong():
    wrong = audit(2, seen=990, duplicate=3, missing=10, bad=1200, stream_sha256=None)
    report = {"splits": {"train": [audit(1), wrong]}}
    text = audit_table(report)
    assert text.splitlines()[-3:] == [
        "NOT every sample was handed to fit and trained on exactly once:",
        "  train epoch 2: 3 duplicate and 10 missing, 990 seen of 1,000",
        "1,200 visits went to a substitute: the record itself is bad.",
    ]
    assert text.splitlines()[2].endswith("-")
    assert not is_clean(report)


def test_what_was_handed_to_fit_and_not_trained_on_is_told():
    report = {"splits": {"train": [audit(1, trained=640), audit(2, trained=1000)]}}
    assert audit_table(report).splitlines()[-3:] == [
        "NOT every sample that was handed to fit was trained on:",
        "  train epoch 1: 640 of 1,000 samples that were handed to fit",
        "The model's own training loop, or its distribution strategy, has left them out.",
    ]
    assert not is_clean(report)


def test_a_run_that_its_model_or_a_callback_has_stopped_is_clean():
    """What was read ahead of the stop is not missing: epochs not begun are left out."""
    taken = {("train", 0): 10, ("val", 0): 2, ("train", 1): 4}
    half = {"seen": 600, "missing": 400}
    read = {"train": [audit(1), audit(2, **half), audit(3, **half)], "val": [audit(1)]}
    splits = with_training(read, lambda *at: taken.get(at, 0), 100, stopped=True)
    assert [(row["epoch"], row["trained"]) for row in splits["train"]] == [(1, 1000), (2, 400)]
    assert splits["val"][0]["trained"] == 200
    report = {"splits": splits, "ended": "stopped"}
    assert is_clean(report)
    assert audit_table(report).endswith(
        "Up to where training was stopped, every sample was handed to fit and trained on exactly "
        "once."
    )
    # The same figures in a run that went to its end are a fault.
    splits = with_training(read, lambda *at: taken.get(at, 0), 100, stopped=False)
    assert not is_clean({"splits": splits})


def test_what_did_not_fill_a_batch_is_told():
    left_out = audit(1, seen=960, skipped=40, trained=960)
    report = {"splits": {"train": [left_out], "val": [audit(1, skipped=0, trained=1000)]}}
    lines = audit_table(report).splitlines()
    names = "expected seen trained duplicate missing skipped bad"
    assert lines[0].split()[2:-2] == names.split()
    assert lines[1].split()[2:-1] == ["1,000", "960", "960", "0", "0", "40", "0"]
    assert lines[2].split()[2:-1] == ["1,000", "1,000", "1,000", "0", "0", "0", "0"]
    assert lines[-2:] == [
        "Every sample of a whole batch was handed to fit and trained on exactly once.",
        "40 samples were skipped, as they do not fill a batch (--drop-last).",
    ]
    assert is_clean(report)


def test_no_epoch_no_verdict():
    assert "nothing to audit" in audit_table({"splits": {"train": []}})


def test_the_verdict_of_a_run_that_was_interrupted():
    part = {"splits": {"train": [audit(1, seen=500, missing=500)]}}
    assert "NOT every sample" in audit_table(part)
    said = audit_table({**part, "ended": "interrupted"})
    assert said.endswith("The run is not over: the missing samples come when it is resumed.")
    twice = {"splits": {"train": [audit(1, seen=500, missing=500, duplicate=1)]}}
    assert "NOT every sample" in audit_table({**twice, "ended": "interrupted"})
    whole = {"splits": {"train": [audit(1)]}}
    assert "exactly once" in audit_table({**whole, "ended": "interrupted"})
