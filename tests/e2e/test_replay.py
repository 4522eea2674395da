"""train_zmq.py --from: what a sink has stored, trained from as if it were live."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.trainer import state
from lib.trainer.state import LAST
from tests.e2e.conftest import write_photos
from tests.e2e.processes import Script, Starter, until
from tests.e2e.stores import splits
from tests.e2e.test_resume import history, same_run, variables
from tests.tasks.idx_files import write_digits

STORED = 2  # epochs
CAMERA = ("--task", "camera", "--patch", 32, "--manipulated", 0.5, "--val-patches-per-visit", 6)
PLAIN = ("--model", "smallcnn", "--no-tensorboard", "--hash")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Streams of both tasks, stored by a sink with one generator."""
    folder, starter = tmp_path_factory.mktemp("stores"), Starter(uuid.uuid4().hex)
    digits = write_digits(folder / "idx", 1_000)
    write_digits(folder / "idx", 90, name="val")
    photos = write_photos(folder / "links", train=10, val=3)
    kinds = {
        "camera": (*CAMERA, "--links", photos),
        "digits": ("--task", "digits", "--links", digits),
    }
    bound = ("--bind", "tcp://127.0.0.1:0", "--generators", 1, "--epochs", STORED)
    try:
        for name, words in kinds.items():
            starter("sink_zmq.py", "--out", folder / name, *bound, *words).done()
    finally:
        starter.close()
    return {name: folder / name for name in kinds}


def train(start: Starter, store: Path, out: Path, *words: object) -> Script:
    return start("train_zmq.py", "--from", store, "--out", out, *PLAIN, *words)


def rows(out: Path, split: str) -> list[dict[str, Any]]:
    return splits(out)[split]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["camera", "digits"])
def test_what_is_trained_on_is_what_was_stored(
    start: Starter, stores: dict[str, Path], tmp_path: Path, task: str
) -> None:
    out = tmp_path / "run"
    said = train(start, stores[task], out, "--epochs", STORED + 2).done()
    assert "Every sample was handed to fit exactly once." in said
    assert f"{STORED} stored epoch(s)" in said and "come 2 more time(s) in other orders" in said
    live = splits(stores[task])
    assert rows(out, "train")[:STORED] == live["train"]  # to the hash
    assert rows(out, "val") == [{**live["val"][0], "epoch": e} for e in range(STORED + 2)]
    hashes = [row["stream_sha256"] for row in rows(out, "train")]
    assert len(set(hashes)) == STORED + 2
    for row in rows(out, "train"):
        assert (row["seen"], row["duplicate"], row["missing"]) == (row["expected"], 0, 0)
    config = json.loads((out / "config.json").read_text())["settings"]
    assert config["task"] == {"value": task, "source": f"store {stores[task]}"}
    with (out / "history.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == STORED + 2


@pytest.mark.slow
@pytest.mark.timeout(600)  # five starts of TensorFlow
def test_killed_within_an_epoch_it_goes_on_to_the_same_weights(
    start: Starter, stores: dict[str, Path], tmp_path: Path
) -> None:
    """In a stored epoch, and in one that comes again; the store is moved in between."""
    calm, wild = tmp_path / "calm", tmp_path / "wild"
    store = shutil.copytree(stores["camera"], tmp_path / "store")
    flags = ("--epochs", STORED + 1, "--deterministic", "--batch-size", 8, "--progress", "bar")
    train(start, stores["camera"], calm, *flags).done(seconds=240.0)
    trainer = train(start, store, wild, *flags, "--checkpoint-every", 3)

    def stands() -> tuple[int, int]:
        found = state.read(wild / LAST)
        return found.epoch, found.step

    for epoch, words in ((0, ()), (STORED, ("--from", tmp_path / "moved"))):
        assert until(lambda: (wild / LAST).exists())
        assert until(lambda epoch=epoch: stands() > (epoch, 3), 200.0)  # type: ignore[misc]
        trainer.send(signal.SIGKILL)
        trainer.finish()
        if words:
            store.rename(tmp_path / "moved")
        trainer = start("train_zmq.py", "--resume", "--out", wild, *words)
        assert re.match(rf"epoch {epoch + 1}, batch", trainer.wait_for(r"at (epoch.*)")[1])
    assert "exactly once" in trainer.done(seconds=240.0)

    assert splits(calm) == splits(wild)
    assert history(calm) == history(wild)
    same_run(state.read(calm / LAST), state.read(wild / LAST))
    for one, other in zip(variables(calm / LAST), variables(wild / LAST), strict=True):
        np.testing.assert_array_equal(one, other)

    # Neither another store nor a fleet can go on with it.
    again = ("train_zmq.py", "--resume", "--out", wild, "--epochs", STORED + 2)
    other = start(*again, "--from", stores["camera"], "--val-from", stores["camera"])
    assert "exactly once" in other.done()  # the same one, wherever it is named from
    fewer = shutil.copytree(stores["camera"], tmp_path / "fewer")
    text = (fewer / "store.json").read_text()
    (fewer / "store.json").write_text(text.replace('"epochs": 2', '"epochs": 1'))
    refused = start(*again[:-1], STORED + 3, "--from", fewer, "--val-from", fewer)
    assert f"error: {fewer} is not what the run was started on" in refused.done(2)


@pytest.mark.slow
def test_ctrl_c(start: Starter, stores: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "run"
    trainer = train(start, stores["camera"], out, "--epochs", 5000, "--progress", "bar")
    trainer.wait_for("epoch 2/5000: .* loss ")
    trainer.send(signal.SIGINT)
    said = trainer.done(130, seconds=30.0)
    assert "the model as it was then is kept" in said or "ended at once" in said
    assert start.no_orphans()


@pytest.mark.slow
def test_what_a_person_may_get_wrong(
    start: Starter, stores: dict[str, Path], tmp_path: Path
) -> None:
    """Each is told in a sentence, before Keras is there."""
    store = shutil.copytree(stores["camera"], tmp_path / "store")

    def refusal(*words: object) -> str:
        said = start("train_zmq.py", "--from", store, "--out", tmp_path / "run", *words).done(2)
        assert "Keras" not in said and not (tmp_path / "run").exists()
        (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
        return line

    assert "--patch 64 (command line): the samples in" in refusal("--patch", 64)
    assert "made with camera" in refusal("--task", "digits")
    assert "--generators has nothing to do with --from" in refusal("--generators", 2)
    assert "one model cannot take both" in refusal("--val-from", stores["digits"])
    assert "holds no stored stream" in refusal("--val-from", tmp_path)
    first, second = sorted(store.glob("train-*.h5"))[:2]
    whole = first.read_bytes()
    first.write_bytes(whole[: len(whole) // 2])
    assert f"{first} cannot be read as a stored stream" in refusal()
    first.write_bytes(b"no HDF5")
    assert f"{first} cannot be read as a stored stream" in refusal()
    first.write_bytes(second.read_bytes())
    assert "is not of the stream in" in refusal() and "its epoch is 1, not 0" in refusal()
    first.unlink()
    (store / "report.json").unlink()  # as after a kill of the sink
    assert f"python sink_zmq.py --resume --out {store} makes them" in refusal()
