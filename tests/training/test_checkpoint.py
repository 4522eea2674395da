"""Checkpoints are whole or absent, and a disk that fails says so and harms nothing."""

import errno
import json
import os
import shutil
import subprocess
import zipfile

import keras
import numpy as np
import pytest

from pushfit import files
from pushfit.errors import ConfigError, OutputError
from pushfit.runs import outputs
from pushfit.runs.checkpoint_state import BEST, LAST, Best
from pushfit.training import checkpoint
from pushfit.training.checkpoint import Checkpoints


def tiny(units=2, start=0.0):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(units, kernel_initializer=keras.initializers.Constant(start)),
        ]
    )
    model.compile(loss="mse")
    return model


def big():
    return keras.Sequential([keras.Input((64,)), keras.layers.Dense(8192)])  # 2 MiB


def kernel(path):
    return float(np.mean(checkpoint.load(path).layers[0].kernel))


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture
def full_disk(tmp_path):
    """A file system of 1 MiB."""
    where = tmp_path / "small"
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(where)]
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("a full disk is tried on a tmpfs of its own, which only root can mount")
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this container may not mount a tmpfs")
    yield where
    subprocess.run(["umount", str(where)], check=True)


class Run:
    """Drives the callback through epochs without training."""

    def __init__(self, out, **options):
        self.callback = Checkpoints(out, "val_accuracy", **options)
        self.out = out
        self.epoch = 0

    def __call__(self, **logs):
        self.callback.set_model(tiny(start=float(self.epoch)))
        self.callback.on_epoch_end(self.epoch, logs)
        self.epoch += 1
        return kernel(self.out / BEST) if (self.out / BEST).exists() else None


def test_best_follows_the_monitored_value_and_last_the_epochs(tmp_path):
    run = Run(tmp_path)
    assert run(val_accuracy=0.5, accuracy=0.9) == 0
    assert run(val_accuracy=0.4, accuracy=0.95) == 0
    assert run(val_accuracy=0.6, accuracy=0.1) == 2
    assert run(val_accuracy=float("nan")) == 2
    assert run(accuracy=0.99) == 2  # an epoch without validation says nothing
    assert kernel(tmp_path / LAST) == 4
    assert names(tmp_path) == [BEST, LAST]


def test_the_model_of_each_better_epoch_is_kept_if_asked(tmp_path):
    run = Run(tmp_path, keep_better=True)
    for accuracy in (0.5, 0.4, 0.6):
        run(val_accuracy=accuracy)
    assert names(tmp_path) == ["best.keras", "better-0001.keras", "better-0003.keras", LAST]
    assert kernel(tmp_path / "better-0001.keras") == 0
    assert (tmp_path / "better-0003.keras").read_bytes() == (tmp_path / BEST).read_bytes()


def test_training_accuracy_stands_in_until_there_is_validation(tmp_path):
    run = Run(tmp_path)
    assert run(accuracy=0.9) == 0
    assert run(accuracy=0.8) == 0
    assert run(accuracy=0.95) == 2
    assert run(accuracy=0.9, val_accuracy=0.5) == 3


def test_a_resumed_run_keeps_a_better_one(tmp_path):
    run = Run(tmp_path, before=Best(0.7, stand_in=False))
    assert run(val_accuracy=0.6) is None
    assert run(accuracy=0.9) is None
    assert run(val_accuracy=0.8) == 2


def test_loss_is_minimised(tmp_path):
    callback = Checkpoints(tmp_path, "val_loss")
    assert callback._better(1.0)
    callback.best = 1.0
    assert callback._better(0.5)
    assert not callback._better(2.0)


def test_in_fit_and_at_ctrl_c(tmp_path):
    callback = Checkpoints(tmp_path, "val_loss")
    model = tiny()
    model.fit(np.ones((4, 4)), np.ones((4, 2)), epochs=2, verbose=0, callbacks=[callback])
    assert names(tmp_path) == [BEST, LAST]
    model.layers[0].kernel.assign(np.full((4, 2), 7.0))
    callback.save_last()
    assert kernel(tmp_path / LAST) == 7
    again = checkpoint.load(tmp_path / LAST, compiled=True)
    assert int(again.optimizer.iterations) == 2


def test_loading_what_is_not_a_model(tmp_path):
    (tmp_path / "x.keras").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ConfigError, match=r"x\.keras is cut short: its end is missing; copy it"):
        checkpoint.load(tmp_path / "x.keras")
    with zipfile.ZipFile(tmp_path / "z.keras", "w") as file:
        for name in ("config.json", "model.weights.h5"):
            file.writestr(name, "{}")
    with pytest.raises(ConfigError, match=r"cannot load a model from .*z\.keras"):
        checkpoint.load(tmp_path / "z.keras")
    with pytest.raises(ConfigError, match=r"no model file .*y\.keras"):
        checkpoint.load(tmp_path / "y.keras")


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_full_disk_leaves_the_checkpoint_from_before(full_disk, monkeypatch, in_memory):
    # Keras writes through memory, or straight to HDF5 when memory is short: other exceptions.
    monkeypatch.setattr(keras.src.saving.saving_lib, "is_memory_sufficient", lambda _: in_memory)
    path = full_disk / LAST
    checkpoint.save(tiny(start=3.0), path)
    with pytest.raises(OutputError, match=r"last\.keras \(No space left on device\).*free some"):
        checkpoint.save(big(), path)
    assert names(full_disk) == [LAST]
    assert kernel(path) == 3


def test_a_full_disk_and_json(full_disk):
    path = full_disk / "report.json"
    outputs.write_json(path, {"a": 1})
    with pytest.raises(OutputError, match="No space left"):
        outputs.write_json(path, {"a": "x" * 2_000_000})
    assert json.loads(path.read_text()) == {"a": 1}
    assert names(full_disk) == ["report.json"]


def test_a_read_only_file_system(full_disk):
    remount = ["mount", "-o", "remount,ro", str(full_disk)]
    assert subprocess.run(remount, capture_output=True, check=False).returncode == 0
    with pytest.raises(OutputError, match=r"Read-only file system.*choose a writable folder"):
        checkpoint.save(tiny(), full_disk / LAST)
    with pytest.raises(OutputError, match=r"cannot make the output folder .*Read-only"):
        outputs.prepare(full_disk / "run")
    with pytest.raises(OutputError, match="Read-only"):
        outputs.prepare(full_disk)


def test_ctrl_c_while_saving_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    outputs.write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_other_exceptions_pass_through(tmp_path):
    with pytest.raises(ZeroDivisionError), files.replacing(tmp_path / "a"):
        _ = 1 / 0


def test_an_error_number_that_hdf5_hides_in_its_text():
    error = OSError("Can't write (errno = 28, error message = 'No space left on device')")
    assert "the disk is full" in str(files.failure("write", "x", error))
    assert "check the folder" in str(files.failure("write", "x", OSError("what")))


def test_a_folder_that_went_away(tmp_path):
    with pytest.raises(OutputError, match="deleted or unmounted"):
        outputs.write_json(tmp_path / "gone" / "r.json", {})


def test_json_has_no_nan(tmp_path):
    path = tmp_path / "r.json"
    outputs.write_json(path, {"m": {"loss": float("nan"), "l": [1.5, float("inf")], "n": 3}})
    assert json.loads(path.read_text()) == {"m": {"loss": None, "l": [1.5, None], "n": 3}}


def test_prepare_makes_the_folder_and_refuses_what_is_there(tmp_path):
    out = tmp_path / "a" / "b"
    assert outputs.prepare(out) == out
    assert outputs.prepare(out) == out  # empty: fine
    assert names(out) == []
    (out / "x").touch()
    with pytest.raises(OutputError, match="not empty: choose another --out, or delete it"):
        outputs.prepare(out)
    with pytest.raises(OutputError, match="is a file, not a folder"):
        outputs.prepare(out / "x")
    with pytest.raises(OutputError, match="a part of the path is a file"):
        outputs.prepare(out / "x" / "y")


def test_prepare_where_one_may_not_write(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(outputs.Path, "mkdir", refuse)  # root may write anywhere
    with pytest.raises(OutputError, match=r"Permission denied.*change its permissions"):
        outputs.prepare(tmp_path / "run")
