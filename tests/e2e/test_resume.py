"""Killed at bad moments and resumed, a run ends as one that was left alone, bit for bit."""

from __future__ import annotations

import json
import random
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from bench.lab.processes import Script, Starter, free_port, until
from pushfit.runs import checkpoint_state
from pushfit.runs.checkpoint_state import LAST
from pushfit.training import user_code
from tests.support.photos import write_photos
from tests.support.run_files import history, same_run, variables

pytestmark = pytest.mark.slow

RUN = (
    *("--patch", 32, "--patches-per-visit", 16, "--batch-size", 16, "--epochs", 3, "--hash"),
    *("--val-patches-per-visit", 24, "--plateau-patience", 1, "--mix-visits", 8),
    *("--manipulated", 0.5, "--deterministic", "--no-tensorboard", "--progress", "bar"),
)  # fmt: skip


def saving(out: Path) -> bool:
    return any(out.glob(".last.keras.*"))


@pytest.mark.timeout(900)  # five starts of TensorFlow, and Keras's loader
def test_killed_and_resumed_a_run_ends_as_if_left_alone(start: Starter, tmp_path: Path) -> None:
    links = write_photos(tmp_path / "links", train=16, val=4)
    calm, wild = tmp_path / "calm", tmp_path / "wild"
    start.trainer(links, *RUN, "--generators", 1, "--out", calm).done(seconds=240.0)

    port = free_port()
    fleet = [start.generator(links, port) for _ in range(2)]
    chance = random.Random(3)
    flags = ("--checkpoint-every", 5, "--bind", f"tcp://127.0.0.1:{port}", "--out", wild)
    trainer = start.trainer(links, *RUN, *flags)

    def kill_and_resume() -> Script:
        trainer.send(signal.SIGKILL)
        trainer.process.wait()
        before = checkpoint_state.read(wild / LAST)
        list(variables(wild / LAST))  # the previous checkpoint is whole
        resumed = start("train_zmq.py", "--resume", "--out", wild)
        said = resumed.wait_for(r"Resuming run \w+ at (.*)", 120.0)[1]
        steps = 32
        if before.step < steps:
            assert said == f"epoch {before.epoch + 1}, batch {before.step + 1} of {steps}"
        else:
            assert said == f"the validation of epoch {before.epoch + 1}"
        return resumed

    assert until(lambda: (wild / LAST).exists() and saving(wild), 120.0)
    trainer = kill_and_resume()
    assert not saving(wild)  # what the kill had left is cleared away
    trainer.wait_for("epoch [12]/3 validation: ", 120.0)
    trainer = kill_and_resume()
    trainer.wait_for("epoch [23]/3: .* loss ", 120.0)
    until(lambda: False, chance.uniform(0.0, 1.0))
    if trainer.process.poll() is None:
        trainer = kill_and_resume()
    assert "exactly once" in trainer.done(seconds=240.0)
    for each in fleet:  # the same processes from the beginning to the end
        each.done()

    first, second = (json.loads((out / "report.json").read_text()) for out in (calm, wild))
    assert first["splits"] == second["splits"]
    assert second["run"] == checkpoint_state.read(wild / LAST).run
    assert first["metrics"]["resumed_at"] == []
    assert 2 <= len(second["metrics"].pop("resumed_at")) <= 3  # those that got to a checkpoint
    assert second["metrics"]["steps_trained"] == 3 * 32
    assert history(calm) == history(wild)
    for name in (LAST, "best.keras"):
        for one, other in zip(variables(calm / name), variables(wild / name), strict=True):
            np.testing.assert_array_equal(one, other)
    same_run(checkpoint_state.read(calm / LAST), checkpoint_state.read(wild / LAST))

    # It is complete, says so, and can be trained on; other settings are refused.
    assert "is complete: 3 epoch" in start("train_zmq.py", "--resume", "--out", wild).done()
    other = start("train_zmq.py", "--resume", "--out", wild, "--patch", 64)
    assert "error: --patch was 32 in the run in" in other.done(2)
    fewer = start("train_zmq.py", "--resume", "--out", wild, "--epochs", 2)
    assert "is in epoch 3 already" in fewer.done(2)
    more = start("train_zmq.py", "--resume", "--out", wild, "--epochs", 4, "--generators", 1)
    assert "exactly once" in more.done(seconds=120.0)
    assert [row["epoch"] for row in history(wild)] == ["1", "2", "3", "4"]


# What a user may add to `fit`, at once. Both callback and metric are the user's own.
ADDED = """
import keras


class Seen(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        print(f"seen {epoch + 1}: {sorted(logs)}", flush=True)


@keras.saving.register_keras_serializable("mine")
def surest(y_true, y_pred):
    return keras.ops.max(y_pred, axis=-1)
"""
ADDITIONS = (
    *("--patch", 32, "--patches-per-visit", 16, "--batch-size", 16, "--epochs", 3, "--hash"),
    *("--val-patches-per-visit", 24, "--mix-visits", 8, "--model", "smallcnn", "--deterministic"),
    *("--optimizer", "adam_w", "--class-weight", "balanced", "--label-smoothing", 0.1),
    *("--optimizer-args", "weight_decay=0.01,use_ema=true,ema_momentum=0.9,"
      "gradient_accumulation_steps=2"),
    *("--mixup", 0.4, "--cutmix", 1, "--early-stopping", 9, "--schedule", "cosine"),
    *("--no-tensorboard", "--progress", "bar", "--generators", 1),
)  # fmt: skip


@pytest.mark.timeout(900)
def test_what_a_user_adds_to_fit_is_resumed_exactly_too(start: Starter, tmp_path: Path) -> None:
    links = write_photos(tmp_path / "links", train=16, val=4)
    for extra in list((links / "train").glob("*/*"))[:4]:  # so that the classes differ
        extra.unlink()
    code = tmp_path / "mine.py"
    code.write_text(ADDED)
    own = ("--callback", f"{code}:Seen", "--metrics", f"accuracy,{code}:surest")
    calm, wild = tmp_path / "calm", tmp_path / "wild"
    start.trainer(links, *ADDITIONS, *own, "--out", calm).done(seconds=240.0)
    plain = ("--patch", 32, "--checkpoint-every", 3)
    trainer = start.trainer(links, *ADDITIONS, *own, *plain, "--out", wild)
    for moment in ("epoch 1/3: .* loss ", "epoch [123]/3 validation: "):
        assert until(lambda: (wild / LAST).exists(), 120.0)
        trainer.wait_for(moment, 120.0)
        trainer.send(signal.SIGKILL)
        trainer.process.wait()
        trainer = start("train_zmq.py", "--resume", "--out", wild, "--bind", "tcp://127.0.0.1:0")
        trainer.wait_for(r"Resuming run \w+ at (.*)", 120.0)
    said = trainer.done(seconds=240.0)
    assert "exactly once" in said
    assert "seen 3: ['accuracy', 'loss', 'surest', 'val_accuracy', 'val_loss', 'val_sure" in said

    first, second = (json.loads((out / "report.json").read_text()) for out in (calm, wild))
    assert first["splits"] == second["splits"]
    assert len(second["metrics"]["resumed_at"]) >= 1
    user_code.load_one("--metrics", f"{code}:surest")  # Keras has to know it to load the model
    assert history(calm) == history(wild)
    for name in (LAST, "best.keras"):
        for one, other in zip(variables(calm / name), variables(wild / name), strict=True):
            np.testing.assert_array_equal(one, other)
    same_run(checkpoint_state.read(calm / LAST), checkpoint_state.read(wild / LAST))


def test_another_trainer_at_work_and_nothing_to_resume(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    flags = ("--patch", 32, "--epochs", 1, "--no-tensorboard", "--resume", "--out", out)
    first = start.trainer(photos, *flags)
    first.wait_for(f"nothing to resume in {out}: a new run begins there")
    first.wait_for("listening at")
    second = start.trainer(photos, *flags)
    said = second.done(2)
    assert f"error: another program is at work in {out} (pid {first.pid} on " in said
    first.send(signal.SIGKILL)  # before it had a checkpoint: the same command begins again
    first.process.wait()
    third = start.trainer(photos, *flags, "--generators", 1)
    assert "nothing to resume" in third.done(seconds=120.0)
    assert "is complete" in start.trainer(photos, *flags).done()


# -- Ctrl-C in every state --------------------------------------------------------------------


def importing(start: Starter, photos: Path, out: Path) -> Script:
    trainer = start.trainer(photos, "--patch", 32, "--out", out)
    assert until(lambda: (out / ".lock").exists())
    return trainer


def waiting(start: Starter, photos: Path, out: Path) -> Script:
    flags = ("--bind", "tcp://127.0.0.1:0", "--patch", 32, "--out", out)
    trainer = start("train_zmq.py", *flags, "--model", "smallcnn")
    trainer.wait_for("no data on this machine", 120.0)
    return trainer


def training(start: Starter, photos: Path, out: Path, *flags: object) -> Script:
    links = write_photos(out.parent / "more", train=40)
    shape = ("--patch", 32, "--patches-per-visit", 64, "--batch-size", 16, "--no-tensorboard")
    trainer = start.trainer(links, *shape, "--progress", "bar", "--out", out, *flags)
    if "--generators" not in flags:
        fleet = start.generator(links, trainer.port)
    trainer.wait_for("epoch 1/10: .* loss ", 120.0)
    if "--generators" not in flags:
        fleet.send(signal.SIGKILL)
    return trainer


def fitting(start: Starter, photos: Path, out: Path) -> Script:
    return training(start, photos, out, "--generators", 1)


def stalled(start: Starter, photos: Path, out: Path) -> Script:
    trainer = training(start, photos, out, "--buffer", "7MiB")
    trainer.wait_for("waiting for .* no generator is connected", 120.0)
    return trainer


def saves(start: Starter, photos: Path, out: Path) -> Script:
    trainer = training(start, photos, out, "--generators", 1, "--checkpoint-every", 1)
    assert until(lambda: saving(out))
    return trainer


def validating(start: Starter, photos: Path, out: Path) -> Script:
    shape = ("--patch", 32, "--val-patches-per-visit", 500, "--batch-size", 4, "--generators", 1)
    trainer = start.trainer(photos, *shape, "--progress", "bar", "--out", out, "--no-tensorboard")
    trainer.wait_for("epoch 1/10 validation: .* loss ", 120.0)
    return trainer


STATES = (importing, waiting, fitting, stalled, saves, validating)
ENDS = [(state_of, signal.SIGINT) for state_of in STATES]
ENDS += [(fitting, signal.SIGTERM)]  # the same handler: one will do


@pytest.mark.parametrize(("state_of", "number"), ENDS)
def test_ctrl_c(
    start: Starter,
    photos: Path,
    tmp_path: Path,
    state_of: Callable[[Starter, Path, Path], Script],
    number: signal.Signals,
) -> None:
    out = tmp_path / "run"
    trainer = state_of(start, photos, out)
    asked = time.monotonic()
    trainer.send(number)
    said = trainer.done(130, seconds=30.0)
    print(f"{state_of.__name__}: ended after {time.monotonic() - asked:.2f} s")
    assert start.no_orphans()
    with suppress(FileNotFoundError):
        assert not any(out.glob(".*.tmp*"))
    if state_of in (importing, waiting):
        assert not (out / LAST).exists()
        return
    if re.search("ended at once", said):  # a very busy machine: then the checkpoint before stands
        return
    assert "the model as it was then is kept" in said
    assert f"To resume it: python train_zmq.py --resume --out {out}" in said
    assert "The run is not over: the missing samples come when it is resumed." in said
    kept = checkpoint_state.read(out / LAST)
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    assert kept.taken == report["metrics"]["steps_trained"] > 0
    assert kept.run == report["run"]
    if state_of is validating:
        assert (kept.epoch, kept.step) == (0, 32)
        assert kept.hidden_state.metrics
    assert msgspec.to_builtins(kept.best)["value"] is None
