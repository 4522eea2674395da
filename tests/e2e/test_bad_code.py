"""Photos and code that crash, hang or run out of something: found, replaced, and never the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.lab.processes import Script, Starter
from tests.support.misbehave import misbehave
from tests.support.own_tasks import plain, write_task

pytestmark = pytest.mark.slow

PATH = "train/alpha/01.jpg"
FLAGS = ("--patch", 32, "--epochs", 2, "--expiry", 2)


def sink(start: Starter, photos: Path, into: Path, *more: object) -> Script:
    return start.sink(photos, *FLAGS, "--generators", 2, "--report", into, *more)


def _stored(start: Starter, photos: Path, out: Path) -> Script:
    flags = ("--bind", "tcp://127.0.0.1:0", "--links", photos, "--generators", 2, "--max-bad", 2)
    return start("sink_zmq.py", *FLAGS, *flags, "--out", out)


def splits(into: Path) -> Any:
    return json.loads(into.read_text())["splits"]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("segfault", r"brought down 3 generators \(crashed, killed or stuck\)"),
        ("kill", r"brought down 3 generators \(crashed, killed or stuck\)"),
        ("hang", r"brought down 3 generators \(crashed, killed or stuck\)"),
        ("frozen", "could not be read on any of 3 tries, the last time: no answer for 2 s"),
        ("memory", "could not be read on any of 3 tries, the last time: not enough memory here"),
        ("disk", "could not be read on any of 3 tries, the last time: No space left on device"),
        ("raise", r"KeyError: 'no such key' \(sitecustomize.py:\d+ in misbehave\)"),
    ],
)
def test_a_photo_over_which_code_misbehaves_is_replaced_like_a_bad_one(
    start: Starter,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    reason: str,
) -> None:
    misbehave(monkeypatch, tmp_path / "site", "bad", PATH)
    calm = sink(start, photos, tmp_path / "calm.json")
    calm.done()
    misbehave(monkeypatch, tmp_path / "site", how, PATH)
    wild = sink(start, photos, tmp_path / "wild.json")
    wild.done()
    wild.wait_for(rf"{PATH} on \S+ is bad: {reason}")
    assert splits(tmp_path / "wild.json") == splits(tmp_path / "calm.json")
    assert [row["bad"] for row in splits(tmp_path / "wild.json")["train"]] == [1, 1]
    faults = json.loads((tmp_path / "wild.json").read_text())["faults"]
    assert faults.get("given_up", 0) == (how != "raise")  # once for the run, not once an epoch
    if how == "hang":
        # Whichever is first: the trainer takes its leases, or its watchdog ends it.
        wild.wait_for(rf"(made no progress for 2 s|was lost), last seen at {PATH}: lease")
        wild.wait_for(rf"stuck for \d s at {PATH} of lease \d+: process \d+ ends")
        wild.wait_for(r"sitecustomize.py.* in misbehave")
    assert start.no_orphans()


def test_the_list_names_the_photo_that_crashes_its_hosts_and_where_code_raised(
    start: Starter, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for how, reason in (("segfault", "brought down 3 generators"), ("raise", "KeyError")):
        misbehave(monkeypatch, tmp_path / "site", how, PATH)
        out = tmp_path / how
        start.trainer(photos, *FLAGS, "--generators", 2, "--out", out).done()
        rows = [json.loads(line) for line in (out / "quarantine.jsonl").read_text().splitlines()]
        assert sorted((row["path"], row["epoch"], row["split"]) for row in rows) == [
            (PATH, 1, "train"),
            (PATH, 2, "train"),
        ]
        assert all(row["reason"].startswith(reason) and row["host"] for row in rows)
        assert all(("in misbehave" in row.get("traceback", "")) == (how == "raise") for row in rows)


def test_a_run_whose_data_is_worse_than_allowed_ends_with_the_list_and_a_report(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    for number in range(3):
        (photos / "train" / "alpha" / f"0{number}.jpg").write_text("not a photo")
    for limit, allowed in (("10%", 1), ("2", 2)):  # of 12 photos
        said = sink(start, photos, tmp_path / "r.json", "--max-bad", limit).done(2)
        assert f"error: {allowed + 1} bad records of 12, and --max-bad {limit} allows" in said
        assert ".jpg: text, not a photo: it begins 'not a photo' (on " in said
        report = json.loads((tmp_path / "r.json").read_text())
        assert report["ended"] == "failed" and report["error"].splitlines()[0] in said
        assert report["faults"]["bad_visits"] >= allowed + 1
    out = tmp_path / "run"
    for folder, failed in (
        (out, start.trainer(photos, *FLAGS, "--generators", 2, "--out", out, "--max-bad", "2")),
        (tmp_path / "store", _stored(start, photos, tmp_path / "store")),
    ):
        assert "error: 3 bad records of 12" in failed.done(2)
        report = json.loads((folder / "report.json").read_text())
        assert report["ended"] == "failed" and report["error"].startswith("3 bad records of 12")
        assert report["faults"]["bad_visits"] >= 3
    sink(start, photos, tmp_path / "r.json", "--max-bad", "25%").done()
    said = start.trainer(photos, "--max-bad", "many", "--out", tmp_path / "out").done(2)
    assert said.startswith("error: --max-bad: 'many' cannot be used: give a number of records")
    said = start.trainer(
        photos, *FLAGS, "--max-bad", 0, "--generators", 1, "--out", tmp_path / "out"
    ).done(2)
    assert f"all of them: {tmp_path}/out/quarantine.jsonl" in said
    assert start.no_orphans()


def test_logs_that_cannot_be_written_end_nothing(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    served = start.sink(photos, *FLAGS, "--report", tmp_path / "r.json")
    full = start(
        "-c",
        "import os, sys; os.dup2(os.open('/dev/full', os.O_WRONLY), 2);"
        "os.dup2(2, 1); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])",
        *("generator_zmq.py", "--connect", f"tcp://127.0.0.1:{served.port}"),
        *("--links", photos, "--log", "leases"),
    )
    served.done()
    assert full.finish() == 0


# A record over which a task's code waits, or searches in C and keeps the GIL, for hours.
SLOW = """
def sample(self, item, record, split, patch, rng):
    import re, time
    if record.path == {path!r}:
        {does}
    x = rng.random(4, np.float32)
    return {{"x": x, "y": x[:1]}}
"""
SLEEPS = "time.sleep(3600)"
SEARCHES = "re.match('(a+)+$', 'a' * 60 + 'b')"


@pytest.mark.parametrize(
    ("path", "does"), [("train/00", SLEEPS), ("train/07", SEARCHES), ("val/31", SEARCHES)]
)
def test_a_record_over_which_a_task_takes_hours_is_named_and_replaced(
    start: Starter, tmp_path: Path, path: str, does: str
) -> None:
    """The first and the last record are those that a task may be tried on before it works."""
    task = write_task(tmp_path / "plain.py", plain(SLOW.format(path=path, does=does)))
    flags = ("--task", task, "--epochs", 2, "--expiry", 1, "--generators", 2, "--batch-size", 8)
    run = start.sink(tmp_path, *flags, "--report", tmp_path / "r.json")
    run.done()
    run.wait_for(rf"{path} on \S+ is bad: brought down 3 generators")
    run.wait_for(rf"stuck for \d s at {path} of lease" if does == SLEEPS else f"in {path}\n")
    assert [row["bad"] for row in splits(tmp_path / "r.json")[path.partition("/")[0]]] == [1, 1]
    assert start.no_orphans()
