"""train_zmq.py --val-from without --from: a live stream whose validation is stored."""

from __future__ import annotations

import json
import shutil
import signal
import uuid
from pathlib import Path

import numpy as np
import pytest

from bench.lab.processes import Script, Starter, until
from pushfit.runs import checkpoint_state
from pushfit.runs.checkpoint_state import LAST
from tests.support.photos import write_photos
from tests.support.run_files import history, same_run, variables
from tests.support.stores import splits

pytestmark = pytest.mark.slow
CAMERA = ("--task", "camera", "--patch", 32, "--val-patches-per-visit", 6)
BATCH = 8


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`links`, photos; `store`, their stream; `other`, that of photos of other classes."""
    folder, starter = tmp_path_factory.mktemp("data"), Starter(uuid.uuid4().hex)
    write_photos(folder / "links", train=10, val=3)
    write_photos(folder / "others", classes=("beta", "gamma"))
    bound = ("--bind", "tcp://127.0.0.1:0", "--generators", 1, "--epochs", 1)
    try:
        for links, out in (("links", "store"), ("others", "other")):
            words = (*bound, *CAMERA, "--batch-size", BATCH, "--links", folder / links)
            starter("sink_zmq.py", "--out", folder / out, *words).done()
    finally:
        starter.close()
    return folder


def train(start: Starter, data: Path, out: Path, *words: object) -> Script:
    flags = (*CAMERA, "--batch-size", BATCH, "--hash", "--no-tensorboard", "--generators", 1)
    return start.trainer(data / "links", *flags, "--val-from", data / "store", "--out", out, *words)


def test_it_trains_live_and_validates_on_what_is_stored_through_a_kill(
    start: Starter, data: Path, tmp_path: Path
) -> None:
    calm, wild = tmp_path / "calm", tmp_path / "wild"
    flags = ("--epochs", 2, "--deterministic")
    said = train(start, data, calm, *flags).done(seconds=240.0)
    assert "Every sample was handed to fit and trained on exactly once." in said
    told = f"stored, in {data / 'store'}; 6 records of the data for validation, not used"
    assert f"validation: {told}" in said
    stored, live = splits(data / "store"), splits(calm)
    assert [row["stream_sha256"] for row in live["val"]] == [stored["val"][0]["stream_sha256"]] * 2
    assert live["train"][0]["stream_sha256"] == stored["train"][0]["stream_sha256"]
    assert live["train"][0]["stream_sha256"] != live["train"][1]["stream_sha256"]
    assert json.loads((calm / "report.json").read_text())["data"]["validation"] == told

    trainer = train(start, data, wild, *flags, "--checkpoint-every", 5, "--progress", "bar")
    for least in ((0, 5), (1, 5)):

        def stands(least: tuple[int, int] = least) -> bool:
            found = checkpoint_state.read(wild / LAST) if (wild / LAST).exists() else None
            return found is not None and (found.epoch, found.step) >= least

        assert until(stands, 200.0)
        trainer.send(signal.SIGKILL)
        trainer.finish()
        trainer = start("train_zmq.py", "--resume", "--out", wild)
    assert "exactly once" in trainer.done(seconds=240.0)
    assert splits(wild) == live
    assert history(wild) == history(calm)
    same_run(checkpoint_state.read(calm / LAST), checkpoint_state.read(wild / LAST))
    for one, other in zip(variables(calm / LAST), variables(wild / LAST), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_does_not_fit_is_refused_before_keras(
    start: Starter, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    broken = shutil.copytree(data / "store", tmp_path / "broken")
    next(broken.glob("val-*.h5")).unlink()
    for words, says in [
        (("--patch", 48), "and those of the task camera are image uint8 (48, 48, 3)"),
        (("--val-from", data / "other"), "only there ['gamma'], only here ['alpha']"),
        (("--val-from", broken), "is not complete: 1 of the 1 files of its split val are missing"),
        (("--val-from", data / "links"), "holds no stored stream"),
    ]:
        said = train(start, data, out, *words).done(2)
        assert says in said and "Keras" not in said, said
        assert not out.exists()
