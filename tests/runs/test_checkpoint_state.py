"""What goes into a checkpoint beside the model comes out of it exactly; what is wrong is named."""

from __future__ import annotations

import math
import os
import random
import zipfile
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np
import pytest

from pushfit import interrupts, tasks
from pushfit.dispatch.roster import Peer, Roster
from pushfit.errors import ConfigError, DataError, OutputError
from pushfit.feed.source import Reference
from pushfit.runs import checkpoint_state, outputs, resume
from pushfit.runs.checkpoint_state import LAST, RunState, Waiting
from pushfit.settings.interval import Interval
from pushfit.settings.programs.train import TrainSettings
from pushfit.streams.live import LiveStream
from pushfit.streams.purpose import for_training, task_of
from pushfit.tasks import compatibility
from pushfit.tasks.base import DataSet, Record
from pushfit.training import checkpoint, hidden_state
from pushfit.training.callbacks import Plateau
from pushfit.training.progress import Trained
from pushfit.wire import protocol as wire
from tests.support.checkpoints import a_state, model
from tests.support.photos import write_photos

X, Y = np.linspace(0, 1, 64, dtype=np.float32).reshape(16, 4), np.arange(16) % 2


def train(net: keras.Model, *callbacks: keras.callbacks.Callback, **options: Any) -> dict[str, Any]:
    options = {"epochs": 1, "batch_size": 4, "shuffle": False, "verbose": 0} | options
    history = net.fit(X, Y, callbacks=list(callbacks), **options)
    logs: dict[str, Any] = history.history
    return logs


def test_a_loaded_model_goes_on_as_the_saved_one_would(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    keras.random.uniform((1,))  # makes the generator of unseeded operations
    net = model()
    train(net)
    kept = a_state(net)
    checkpoint.save(net, tmp_path / LAST, kept)

    def draws() -> list[float]:
        return [random.random(), np.random.random(), float(keras.random.uniform((1,))[0])]

    after, drawn = train(net), draws()
    keras.utils.set_random_seed(2)
    again = checkpoint.load(tmp_path / LAST, compiled=True)
    read = checkpoint_state.read(tmp_path / LAST)
    assert read == kept
    hidden_state.put(again, read.hidden_state, tmp_path / LAST)
    assert train(again) == after  # with the same dropout
    assert draws() == drawn


def test_the_metrics_of_an_epoch_that_is_resumed_are_those_of_all_of_it(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    whole = model()
    weights = whole.get_weights()
    seeds = hidden_state.take(whole, [])
    logs = train(whole)

    whole.set_weights(weights)
    hidden_state.put(whole, seeds, tmp_path)
    trained = Trained()
    whole.fit(X[:8], Y[:8], batch_size=4, shuffle=False, verbose=0, callbacks=[trained])
    assert (trained.epoch, trained.step) == (1, 0) and trained.metrics() == []
    half = a_state(whole, hidden_state.arrays(whole.metrics_variables), epoch=0)
    resumed = Trained(half, tmp_path)
    rest = whole.fit(X[8:], Y[8:], batch_size=4, shuffle=False, verbose=0, callbacks=[resumed])
    assert rest.history == logs
    assert resumed.taken == half.taken + 2
    assert resumed.history["loss"] == [0.1, math.inf, logs["loss"][0]]


def test_in_validation_the_metrics_of_training_are_kept() -> None:
    net, trained, seen = model(), Trained(), []

    class Look(keras.callbacks.Callback):  # type: ignore[misc]
        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append((trained.epoch, trained.step, trained.metrics()))

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.last = trained.metrics()

    look = Look()
    train(net, trained, look, validation_data=(X, Y), validation_batch_size=8)
    assert seen == [(0, 4, look.last)] * 2


def test_ctrl_c_takes_effect_at_the_end_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    net, trained = model(), Trained()

    class Press(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if batch == 2:
                interrupts.interrupted.set()

    try:
        with pytest.raises(KeyboardInterrupt):
            train(net, trained, Press())
    finally:
        interrupts.interrupted.clear()
    assert (trained.epoch, trained.step, trained.taken) == (0, 3, 3)
    assert int(net.optimizer.iterations) == 3


def test_plateau_counts_on_over_fits_and_restarts() -> None:
    net = model()
    net.optimizer.learning_rate = 0.0  # nothing gets better
    first = Plateau("accuracy", patience=3)
    first.monitor = "nothing"  # of what is reported: the training metric stands in
    first._training = "accuracy"
    train(net, first)
    train(net, first)
    kept = first.state()
    assert kept.wait == 1 and kept.best is not None
    net.optimizer.learning_rate = 1e-3
    again = Plateau("accuracy", patience=3, before=kept)
    again.on_train_begin()
    assert again.state() == kept


def test_checkpoints_within_an_epoch(tmp_path: Path) -> None:
    taken: list[int] = []
    trained = Trained()
    net = model()

    def describe() -> RunState:
        taken.append(trained.taken)
        return a_state(net)

    often = checkpoint.FrequentCheckpoints(Interval(batches=3), tmp_path, "val_loss", describe)
    train(net, trained, often, epochs=2)
    assert taken == [3, 4, 7, 8]  # every three batches since the last, and at each epoch's end
    assert checkpoint_state.read(tmp_path / LAST).hidden_state == hidden_state.take(net, [])


def test_what_does_not_fit_the_model(tmp_path: Path) -> None:
    net = model()
    good = hidden_state.take(net, [])
    with pytest.raises(ConfigError, match="0 variables for 1 of the model"):
        hidden_state.put(net, msgspec.structs.replace(good, seeds=[]), tmp_path)
    short = msgspec.structs.replace(good.seeds[0], data=b"123")
    with pytest.raises(ConfigError, match="seed_generator_state"):
        hidden_state.put(net, msgspec.structs.replace(good, seeds=[short]), tmp_path)
    with pytest.raises(ConfigError, match="random state"):
        hidden_state.put(net, msgspec.structs.replace(good, python=(3, (1,), None)), tmp_path)


def test_files_that_are_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / LAST
    net = model()
    checkpoint.save(net, path)
    with pytest.raises(ConfigError, match="a model but not the checkpoint of a run"):
        checkpoint_state.read(path)
    (tmp_path / "config.json").touch()
    with pytest.raises(ConfigError, match=r"not the checkpoint of a run, .* give --weights with"):
        resume.find(tmp_path, {}, {})
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(checkpoint_state.MEMBER, b"\x81\xa7version\x02")
    with pytest.raises(ConfigError, match="has format 2, and this PushFit reads 1"):
        checkpoint_state.read(path)
    checkpoint.save(net, path, a_state(net))
    whole = path.read_bytes()
    for broken, says in ((whole[: len(whole) // 2], "cut short"), (b"", "empty")):
        path.write_bytes(broken)
        with pytest.raises(ConfigError, match=rf"last\.keras is {says}"):
            checkpoint_state.read(path)
    middle = whole.index(b"model.weights.h5") + 2000
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    with pytest.raises(ConfigError, match=r"is damaged: model\.weights\.h5"):
        checkpoint_state.read(path)
    checkpoint.save(net, path)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(checkpoint_state.MEMBER, msgspec.msgpack.encode({"version": 1, "run": 5}))
    with pytest.raises(ConfigError, match="cannot read the checkpoint"):
        checkpoint_state.read(path)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run with a checkpoint."""
    net = model()
    checkpoint.save(net, tmp_path / LAST, a_state(net))
    (tmp_path / "config.json").touch()
    return tmp_path


def test_settings_and_source_must_be_the_same(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = checkpoint_state.read(run / LAST)
    kept = before.settings, before.source
    with pytest.raises(ConfigError, match=r"--patch was 32 in the run in .* and would now be 64"):
        resume.compare(*kept, {"task": "camera", "patch": "64"}, {}, run)
    with pytest.raises(ConfigError, match=r"--patch was 32 .* now be not set"):
        resume.compare(*kept, {"task": "camera"}, {}, run)
    monkeypatch.setattr(compatibility, "source_of", lambda _: "other")
    with pytest.raises(ConfigError, match=r"other source code of the task .* here other"):
        resume.compare(*kept, {"task": "camera", "patch": "32"}, {}, run)


def test_when_a_run_is_complete(run: Path) -> None:
    net = model()
    inside, between = a_state(net), a_state(net, epoch=3, step=0)
    assert not resume.completed(inside, 2, 0, run)
    assert "complete: 3 epoch(s). To train it further" in resume.completed(between, 3, 0, run)
    assert not resume.completed(between, 4, 0, run)
    waited = a_state(net, epoch=3, step=0, stopping=Waiting(0.5, 2))
    said = resume.completed(waited, 4, 2, run)
    assert "complete: 3 epoch(s), of which the last 2 were not better" in said
    assert not resume.completed(waited, 4, 3, run)
    assert not resume.completed(waited, 4, 0, run)
    assert not resume.completed(a_state(net, stopping=Waiting(0.5, 2)), 4, 2, run)
    for begun, epochs in ((inside, 1), (between, 2)):
        with pytest.raises(ConfigError, match=f"--epochs {epochs}: .* give at least that"):
            resume.completed(begun, epochs, 0, run)


def test_a_folder_is_taken_by_one_and_cleared_of_leftovers(run: Path) -> None:
    (run / ".last.keras.12.tmp.keras").touch()
    held = outputs.take(run)
    try:
        assert not list(run.glob(".*.tmp*"))
        with pytest.raises(OutputError, match=rf"at work in .* \(pid {os.getpid()} on "):
            resume.find(run, {"patch": "32"}, {})
    finally:
        os.close(held)
    os.close(outputs.take(run))


def test_only_the_folder_of_a_run_is_resumed(run: Path) -> None:
    assert outputs.prepare(run, again=True) == run
    with pytest.raises(OutputError, match="to continue the run in it, add --resume; or choose"):
        outputs.prepare(run)
    (run / "config.json").unlink()
    with pytest.raises(OutputError, match="not empty: choose another"):
        outputs.prepare(run, again=True)


def training(settings: TrainSettings, before: RunState) -> LiveStream:
    task = task_of(settings, tasks.load("camera").Params())
    return LiveStream(settings, task, for_training(settings, task, before, needs_data=True))


def test_the_data_set_must_be_the_runs(tmp_path: Path) -> None:
    links = write_photos(tmp_path / "links")
    flags = TrainSettings(links=str(links), bind="tcp://127.0.0.1:0")
    params = tasks.load("camera").Params()
    before = a_state(model(), classes=("alpha", "beta"), counts={"train": [4, 4], "val": [2, 2]})
    with pytest.raises(
        DataError, match=r"12 records of 2 classes then, 12 .* other names or sizes"
    ):
        training(flags, before)
    fewer = msgspec.structs.replace(before, counts={"train": [4, 3]})
    with pytest.raises(DataError, match=r"7 records of 2 classes then, 12 of 2 now$"):
        training(flags, fewer)

    def reopened(step: int, **different: Any) -> LiveStream:
        data = tasks.load("camera")(params).scan(links)
        same = {"classes": data.classes, "counts": data.counts(), "fingerprint": data.fingerprint()}
        state_now = msgspec.structs.replace(before, **same, epoch=0, step=step)
        with_flags = msgspec.structs.replace(flags, **different)
        return training(with_flags, state_now)

    assert reopened(3).run == "abc"
    with pytest.raises(ConfigError, match="batch 9 of an epoch of 4"):
        reopened(9)
    with pytest.raises(ConfigError, match="be resumed only at the start of an epoch"):
        reopened(3, order="arrival")


def test_a_generator_must_have_the_data_of_the_run_before() -> None:
    data = DataSet(("a", "b"), {"train": (Record("x", 1, 0), Record("y", 1, 1))})
    known = Reference(
        data.classes, data.counts(), data.fingerprint(), [], "the run that is resumed"
    )
    roster = Roster({}, "", None, known)
    peer = Peer("g", "far", 1, 0.0)
    ready = wire.Ready(
        run="r",
        source="",
        fingerprint=data.fingerprint(),
        classes=data.classes,
        counts=data.counts(),
    )
    assert roster.admit(peer, ready) == ""
    other = msgspec.structs.replace(ready, fingerprint="other", counts={"train": [1, 2]})
    said = roster.admit(peer, other)
    assert "not that of the run that is resumed: 2 records in this run, 3 there" in said
