"""Hosts as they are: streams that go away, folders of others, no home, no locks, other settings."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.lab.processes import ROOT, Script, Starter, free_port, until
from tests.support import users
from tests.support.idx_files import write_digits
from tests.support.photos import write_photos

pytestmark = pytest.mark.slow

DIGITS = ("--task", "digits", "--batch-size", 32, "--no-tensorboard", "--epochs", 3)


def test_training_outlives_whoever_reads_its_log(start: Starter, tmp_path: Path) -> None:
    """stdout and stderr on full disks and broken pipes at once; and a keras.json of others."""
    out, home = tmp_path / "run", tmp_path / "keras"
    home.mkdir()
    (home / "keras.json").write_text('{"image_data_format": "channels_first", "floatx": "float16"}')
    links = write_digits(tmp_path / "links", 300)
    words = ["train_zmq.py", *DIGITS, "--links", links, "--generators", 1, "--out", out]
    words += ["--bind", "tcp://127.0.0.1:0", "--model", "resnet18"]
    command = " ".join(map(str, [sys.executable, *words]))
    done = subprocess.run(
        ["bash", "-c", f"{command} 2>/dev/full | head -1; exit ${{PIPESTATUS[0]}}"],
        cwd=ROOT,
        env={**os.environ, "KERAS_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0
    assert (out / "last.keras").is_file() and (out / "report.json").is_file()
    assert len((out / "history.csv").read_text().splitlines()) == 4
    said = (out / "log.txt").read_text()
    assert re.search(r"channels_last and float32.*keras\.json has image_data_format channels", said)
    assert "epoch 3/3: " in said
    assert "Every sample was handed to fit and trained on exactly once." in said


def test_a_terminal_that_goes_away_ends_nothing_that_was_to_outlive_it(
    photos: Path, tmp_path: Path
) -> None:
    """As after `disown -h` and the end of ssh: SIGHUP is ignored, and writing gives EIO."""
    report = tmp_path / "r.json"
    words = ["sink_zmq.py", "--null", "--links", photos, "--patch", 32, "--epochs", 400]
    words += ["--generators", 1, "--bind", "tcp://127.0.0.1:0", "--report", report]
    master, slave = pty.openpty()
    sink = subprocess.Popen(
        [sys.executable, *map(str, words)],
        cwd=ROOT,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    os.close(slave)
    seen = b""
    while b"joined" not in seen:
        seen += os.read(master, 4096)
    os.close(master)
    assert sink.wait(280) == 0
    assert json.loads(report.read_text())["splits"]["train"][-1]["missing"] == 0


def endless(start: Starter, photos: Path, *words: object) -> Script:
    return start.sink(photos, "--patch", 32, "--epochs", 5000, "--generators", 1, *words)


def test_sighup_is_taken_as_sigterm(start: Starter, photos: Path) -> None:
    sink = endless(start, photos)
    sink.wait_for("joined")
    generator = start.generator(photos, sink.port, "--processes", 2)
    assert until(lambda: sink.output.count("joined") == 3)
    generator.send(signal.SIGHUP)
    generator.done(130)
    sink.send(signal.SIGHUP)
    sink.done(130)
    assert start.no_orphans()


Spoiled = Callable[[Path], tuple[Path, tuple[object, ...]]]


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of mode 0700 that is not the other user's, with all that programs may be given."""
    if reason := users.why_not():
        pytest.skip(reason)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o777 == 0o700:  # pytest's own
            folder.chmod(0o755)
    mine = tmp_path / "mine"
    write_photos(mine / "photos")
    write_digits(mine / "digits")
    (mine / "run").mkdir()
    (mine / "run" / "config.json").write_text("{}")
    (mine / "run" / "best.keras").touch()
    (mine / "task.py").write_text("")
    mine.chmod(0o700)
    return mine


def test_what_belongs_to_others_is_named_once(start: Starter, others: Path, tmp_path: Path) -> None:
    """No traceback, one line with the path and what to do, and the end: exit code 2."""
    local = ("--generators", 1, "--bind", "tcp://127.0.0.1:0")
    null = ("sink_zmq.py", "--null", *local, "--links")
    run = ("--run", others / "run")
    programs: list[tuple[object, ...]] = [
        (*null, others / "photos", "--task", "camera"),
        (*null, others / "photos", "--task", "examples/photos.py"),
        (*null, others / "digits", "--task", "digits"),
        (*null, others / "photos", "--task", others / "task.py"),
        ("sink_zmq.py", "--resume", "--out", others / "run", *local),
        ("train_zmq.py", "--resume", "--out", others / "run", *local),
        ("train_zmq.py", "--from", others / "run"),
        ("predict.py", *run, "--data", others / "photos", "--out", tmp_path / "s.csv"),
        ("serve.py", *run, "--port", 0),
        ("generator_zmq.py", "--key", others / "key", "--processes", 2),
        ("-m", "pushfit", "store", "info", others / "run"),
        ("-m", "pushfit", "keys", "list", "--keys", others / "keys"),
    ]
    scripts = [start(*words, inside=users.somebody_else()) for words in programs]
    for words, script in zip(programs, scripts, strict=True):
        said = script.done(2)
        assert str(others) in said and "ermission denied" in said, words
        assert len(said.splitlines()) == 1, said


def test_links_of_others_are_shown_as_unreadable(start: Starter, others: Path) -> None:
    report = start(
        "-m", "pushfit", "config", "--links", others / "photos", inside=users.somebody_else()
    )
    assert "Permission denied" in report.done(2)


def test_a_generator_that_may_not_read_its_data_says_so_on_both_sides_and_ends(
    start: Starter, others: Path, photos: Path
) -> None:
    """Links that may be looked into, and lead to what may not."""
    links = others.parent / "theirs"
    links.mkdir()
    for split in ("train", "val_images"):
        (links / split).symlink_to(others / "photos" / split)
    sink = start.sink(photos, "--patch", 32)
    words = ("generator_zmq.py", "--connect", f"tcp://127.0.0.1:{sink.port}")
    words = (*words, "--links", links, "--processes", 2)
    generator = start(*words, inside=users.somebody_else())
    said = generator.done(2)
    assert "Permission denied" in said and "starting another" not in said
    sink.wait_for(r"cannot take part: .*/theirs/train\b.*: Permission denied")
    sink.send(signal.SIGINT)
    sink.done(130)


def test_a_user_without_home_and_temporary_folder(
    start: Starter, others: Path, tmp_path: Path
) -> None:
    """What needs neither works; what needs one says which, and how to name another."""
    links, keys = write_photos(tmp_path / "photos"), tmp_path / "keys"
    nowhere = users.somebody_else(TMPDIR=str(others), HOME=str(others))
    local = ("--generators", 1, "--bind", "tcp://127.0.0.1:0", "--links", links, "--epochs", 1)
    plain = start("sink_zmq.py", "--null", *local, "--patch", 32, inside=nowhere)
    assert "exactly once" in plain.done()
    table = tmp_path / "table"
    table.mkdir()
    pixels = [f"pixel{number}" for number in range(784)]
    rows = [["label", *pixels], *([str(n % 10), *["7"] * 784] for n in range(20))]
    (table / "train.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    flags = ("--task", "digits", "--links", table, "--generators", 1)
    kept = start("sink_zmq.py", "--null", *flags, "--bind", "tcp://127.0.0.1:0", inside=nowhere)
    assert "set XDG_CACHE_HOME to a writable folder" in kept.done(2)
    start("-m", "pushfit", "keys", "make", "a", "--keys", keys).done()
    for path in (keys, *keys.rglob("*")):
        os.chown(path, users.UID, users.UID)
    words = ("sink_zmq.py", "--null", *local, "--patch", 32, "--keys", keys)
    monkeyed = start(*words, inside=nowhere)
    code = monkeyed.finish()
    # Python looks in /tmp and in the current folder as well: where one of them is writable, it is
    # taken.
    assert code == 0 or "Set TMPDIR to a writable folder" in monkeyed.output


def test_help_on_a_terminal_that_is_not_utf_8(start: Starter, tmp_path: Path) -> None:
    environment = ("env", "PYTHONIOENCODING=", "PYTHONUTF8=0", "PYTHONCOERCECLOCALE=0", "LC_ALL=C")
    for program in ("train_zmq.py", "generator_zmq.py", "sink_zmq.py", "predict.py", "serve.py"):
        start(program, "--help", inside=environment).done()
    keys = start(
        *("-m", "pushfit", "keys", "make", "n1", "--keys", tmp_path / "keys"), inside=environment
    )
    assert "pushfit generate ... --key n1.key" in keys.done()


def test_paths_with_a_tilde(start: Starter, tmp_path: Path) -> None:
    """Wherever the path comes from, and however its flag is written: never a folder named ~."""
    home = tmp_path / "home"
    write_photos(home / "photos")
    flags = ("--patch", 32, "--epochs", 1, "--generators", 1, "--bind", "tcp://127.0.0.1:0")
    inside = ("env", f"HOME={home}", "PUSHFIT_LINKS=~/photos")
    null = start("sink_zmq.py", "--null", *flags, "--report=~/r.json", inside=inside)
    null.done()
    stored = start("sink_zmq.py", *flags, "--out=~/stored", inside=inside)
    stored.done()
    assert (home / "r.json").is_file() and (home / "stored" / "store.json").is_file()
    start("-m", "pushfit", "keys", "make", "n1", "--keys=~/keys", inside=inside).done()
    assert (home / "keys" / "n1.key").is_file()
    start("-m", "pushfit", "store", "info", "~/stored", inside=inside).done()
    port = free_port()
    words = ("generator_zmq.py", "--connect", f"tcp://127.0.0.1:{port}", "--key=~/missing.key")
    lacking = start(*words, inside=inside)
    assert f"{home}/missing.key" in lacking.done(2)
    assert not (ROOT / "~").exists()
