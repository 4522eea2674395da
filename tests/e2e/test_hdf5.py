"""HDF5 files that others have made, as a user trains on them."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest

from bench.lab.processes import Starter
from tests.support.hdf5_made import write_hdf5
from tests.support.reports import hashes, report_of

FLAGS = ("--task", "hdf5", "--shape", "24,24,3")


@pytest.mark.slow
def test_the_stream_is_the_same_for_any_fleet(start: Starter, tmp_path: Path) -> None:
    links, streams = write_hdf5(tmp_path / "links"), {}
    for fleet in (1, 3):
        report = tmp_path / f"{fleet}.json"
        cut = ("--cut", 16, "--flip", "horizontal", "--lease-bytes", "20KB", "--report", report)
        start.sink(links, *FLAGS, *cut, "--epochs", 2, "--generators", fleet).done()
        streams[fleet] = hashes(report_of(report))
    assert streams[1] == streams[3]
    assert len(set(streams[1])) == 3  # training images are cut anew each epoch, the others are not


@pytest.mark.slow
def test_a_run_is_trained_resumed_and_predicted_with(start: Starter, tmp_path: Path) -> None:
    links, out = write_hdf5(tmp_path / "links"), tmp_path / "out"
    flags = (*FLAGS, "--epochs", 1, "--batch-size", 30, "--no-tensorboard", "--generators", 1)
    script = start.trainer(links, *flags, "--hash", "--out", out)
    assert "trained on exactly once" in script.done()
    again = ("--resume", "--out", out, "--epochs", 3, "--bind", "tcp://127.0.0.1:0")
    assert "trained on exactly once" in start("train_zmq.py", *again).done()
    with (
        h5py.File(tmp_path / "links" / "test.h5", "w") as file,
        h5py.File(links / "colours.hdf5") as train,
    ):
        file["x"], file["y"] = train["data"][:30], train["y"][:30]
    where = ("--data", links, "--out", tmp_path / "p.csv", "--generators", 1)
    start("predict.py", "--run", out, *where, "--bind", "tcp://127.0.0.1:0").done()
    rows = (tmp_path / "p.csv").read_text().splitlines()
    assert rows[0] == "id,label" and [row.split(",")[0] for row in rows[1:]] == list(
        map(str, range(30))
    )
    assert {row.split(",")[1] for row in rows[1:]} <= {"red", "green", "blue"}


def test_files_that_no_sink_has_stored_are_told_to_from(start: Starter, tmp_path: Path) -> None:
    file = write_hdf5(tmp_path / "links") / "colours.hdf5"
    script = start("train_zmq.py", "--from", file, "--out", tmp_path / "out")
    script.done(2)
    assert script.wait_for("^error: .*--task hdf5 --links")
    assert len(script.lines) == 1


def test_another_shape_is_told_before_keras_is_imported(start: Starter, tmp_path: Path) -> None:
    links = write_hdf5(tmp_path / "links")
    script = start.trainer(links, "--task", "hdf5", "--generators", 1, "--out", tmp_path / "out")
    script.done(2)
    assert script.wait_for("^error: .*colours.hdf5/data are 24,24,3 .*: give --shape 24,24,3$")
    assert len(script.lines) == 1 and not (tmp_path / "out").exists()
