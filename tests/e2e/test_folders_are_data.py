"""A folder from somebody else is data: what it names does not run unless the user says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.lab.processes import Starter
from tests.support.own_tasks import plain, write_task

pytestmark = pytest.mark.slow

TEST = """
def scan_test(self, links):
    return DataSet(("all",), {"test": tuple(Record(f"t/{i}", 0, 0) for i in range(3))})
"""


def test_the_code_that_a_run_or_a_store_names_runs_only_by_the_users_word(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "ran"
    trap = f"open({str(mark)!r}, 'a').close()\n"
    task = write_task(tmp_path / "mytask.py", trap + plain(TEST))
    run, store, table = tmp_path / "run", tmp_path / "store", tmp_path / "p.csv"
    local = ("--generators", 1, "--bind", "tcp://127.0.0.1:0")
    flags = ("--links", tmp_path, "--task", task, "--batch-size", 8, "--epochs", 1, *local)
    start("train_zmq.py", *flags, "--no-tensorboard", "--out", run).done(seconds=200)
    start("sink_zmq.py", *flags, "--out", store).done()
    programs: list[tuple[object, ...]] = [
        ("predict.py", "--run", run, "--data", tmp_path, "--out", table, *local),
        ("serve.py", "--run", run, "--port", 0),
        ("train_zmq.py", "--resume", "--out", run, "--epochs", 2, *local),
        ("train_zmq.py", "--from", store, "--out", tmp_path / "replayed", "--no-tensorboard"),
        ("sink_zmq.py", "--resume", "--out", store, "--epochs", 2, *local),
    ]
    # As on the host of somebody who was sent these folders.
    mine = monkeypatch.setenv
    mine("XDG_STATE_HOME", str(tmp_path / "stranger"))
    mark.unlink()
    for words in programs:
        said = start(*words).done(2)
        assert "you have not named that file on this host with its present content" in said, words
        assert "if you trust it, give --task with its path" in said
        assert len(said.splitlines()) == 1 and not mark.exists(), words
    info = start("-m", "pushfit", "store", "info", store).done()
    assert "task     plain" in info and not mark.exists()
    served = start(*programs[1], "--task", task).done(2)  # and so it runs, and says what it lacks
    assert "does not say how a picture becomes a sample" in served and mark.exists()
    start(*programs[0], "--task", task).done(seconds=200)
    assert len(table.read_text().splitlines()) == 4
    # Now it was named here, as it is.
    said = start(*programs[3]).done(seconds=200)
    assert said.count("which you have named before on this host") == 1
    assert "exactly once" in said
