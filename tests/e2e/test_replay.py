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

from bench.lab.processes import Script, Starter, until
from pushfit.runs import checkpoint_state
from pushfit.runs.checkpoint_state import LAST
from pushfit.store import layout
from pushfit.store.shard import Shard
from pushfit.training import trained_run
from tests.support.idx_files import write_digits
from tests.support.photos import write_photos
from tests.support.run_files import history, same_run, variables
from tests.support.stores import splits

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
    assert "Every sample was handed to fit and trained on exactly once." in said
    assert f"{STORED} stored epoch(s)" in said and "used 2 more time(s) in other orders" in said
    live = splits(stores[task])
    here = [{**row, "trained": row["seen"]} for row in live["train"]]
    assert rows(out, "train")[:STORED] == here  # to the hash
    held_out = {**live["val"][0], "trained": live["val"][0]["seen"]}
    assert rows(out, "val") == [{**held_out, "epoch": e + 1} for e in range(STORED + 2)]
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
        found = checkpoint_state.read(wild / LAST)
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
    same_run(checkpoint_state.read(calm / LAST), checkpoint_state.read(wild / LAST))
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
    said = refused.done(2)
    assert f"error: {fewer} is not the stored stream that the run was started with" in said


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
    assert "--generators has no effect with --from" in refusal("--generators", 2)
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


@pytest.mark.slow
def test_every_version_of_a_patch_is_stored_and_trained_on(start: Starter, tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "links", train=6, val=3)
    kinds = ("--versions", "all", "--manipulations", "jpeg70,gamma0.8", "--patches-per-visit", 2)
    flags = ("--patch", 32, *kinds, "--links", photos, "--epochs", 1, "--batch-size", 12)
    bound = ("--bind", "tcp://127.0.0.1:0", "--generators", 1)
    start("sink_zmq.py", "--out", tmp_path / "store", *flags, *bound).done()
    stored = layout.read(tmp_path / "store")
    assert {split: form.patches for split, form in stored.splits.items()} == {"train": 6, "val": 3}
    with Shard(tmp_path / "store", stored, "train", 0, 0) as shard:
        ways = shard.column("manipulation").reshape(-1, 3)
        assert (ways == [0, 1, 2]).all()
    assert "jpeg70" in start("-m", "pushfit", "store", "info", tmp_path / "store").done()
    train(start, tmp_path / "store", tmp_path / "out", "--epochs", 2).done()
    live, replayed = rows(tmp_path / "store", "train"), rows(tmp_path / "out", "train")
    assert replayed[0]["stream_sha256"] == live[0]["stream_sha256"]
    assert replayed[1]["missing"] == replayed[1]["duplicate"] == 0


@pytest.mark.slow
def test_larger_patches_are_cropped_and_the_run_resumed_and_predicted_with(
    start: Starter, stores: dict[str, Path], tmp_path: Path
) -> None:
    flags, calm, wild = ("--crop", 24, "--batch-size", 8), tmp_path / "calm", tmp_path / "wild"
    train(start, stores["camera"], calm, *flags, "--epochs", 2).done()
    train(start, stores["camera"], wild, *flags, "--epochs", 1).done()
    again = ("train_zmq.py", "--resume", "--out", wild, "--epochs", 2)
    refused = start(*again, "--crop", 16).done(2)
    assert "crop" in refused
    assert "exactly once" in start(*again).done()
    assert rows(calm, "train") == rows(wild, "train") and rows(calm, "val") == rows(wild, "val")
    assert (
        rows(calm, "train")[0]["stream_sha256"]
        != (rows(stores["camera"], "train")[0]["stream_sha256"])
    )
    assert trained_run.find(wild).task.arrays()[0].shape == (24, 24, 3)
    photos = write_photos(tmp_path / "links", train=1, val=0)
    where = ("--data", photos / "train", "--out", tmp_path / "p.csv", "--generators", 1)
    start("predict.py", "--run", wild, *where, "--bind", "tcp://127.0.0.1:0").done()


SEEN = """
import atexit, os, sys

@atexit.register
def note():
    with open(os.environ["SEEN"], "a") as file:
        file.write(f"{'zmq' in sys.modules}\\n")
"""


@pytest.mark.slow
def test_no_process_of_a_replay_imports_sockets(
    start: Starter, stores: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(SEEN)
    seen = tmp_path / "seen"
    inside = ("env", f"PYTHONPATH={tmp_path / 'hook'}", f"SEEN={seen}")
    words = ("--from", stores["digits"], "--out", tmp_path / "run", "--epochs", 1)
    start("train_zmq.py", *words, "--model", "smallcnn", inside=inside).done()
    assert set(seen.read_text().split()) == {"False"}
