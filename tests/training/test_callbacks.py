"""The callbacks in real, tiny `fit`s."""

import csv
import io

import keras
import numpy as np
import pytest

from pushfit.errors import OutputError
from pushfit.observe.console import Live
from pushfit.training import callbacks
from pushfit.training.callbacks import History, Plateau, Progress

X, Y = np.ones((8, 4), np.float32), np.zeros((8,), np.int64)


def figures():
    return {"patches_per_second": 3412.4, "stall_share": 0.021, "generators": 7}


def model():
    made = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    made.compile(
        optimizer=keras.optimizers.SGD(0.1),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return made


def fit(*which, epochs=2, validation=True, **options):
    model().fit(
        X,
        Y,
        batch_size=2,
        epochs=epochs,
        verbose=0,
        callbacks=list(which),
        validation_data=(X, Y) if validation else None,
        **options,
    )


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_history_has_a_row_an_epoch_and_a_column_a_metric(tmp_path):
    path = tmp_path / "history.csv"
    fit(History(path, figures), epochs=3, validation_freq=2)
    rows = read(path)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [bool(row["val_accuracy"]) for row in rows] == [False, True, False]
    row = rows[1]
    assert (row["patches_per_second"], row["stall_share"]) == ("3412.4", "0.021")
    assert float(row["learning_rate"]) == pytest.approx(0.1)
    assert float(row["seconds"]) >= 0
    assert {"loss", "accuracy", "val_loss"} <= set(row)


def test_a_resumed_history_goes_on_where_the_run_does(tmp_path):
    path = tmp_path / "history.csv"
    fit(History(path, figures), epochs=3)
    before = read(path)
    fit(History(path, figures), epochs=4, initial_epoch=2)
    after = read(path)
    assert [row["epoch"] for row in after] == ["1", "2", "3", "4"]
    assert after[:2] == before[:2]
    fit(History(path, figures), epochs=1)
    assert len(read(path)) == 1


def test_history_that_cannot_be_read_or_written(tmp_path):
    (tmp_path / "history.csv").write_text("something,else\n1,2\n")
    with pytest.raises(OutputError, match="cannot read the history"):
        fit(History(tmp_path / "history.csv", figures), epochs=2, initial_epoch=1)
    with pytest.raises(OutputError, match="deleted or unmounted"):
        fit(History(tmp_path / "gone" / "history.csv", figures))


@pytest.mark.parametrize("validation", [True, False])
def test_plateau_lowers_the_rate(tmp_path, validation):
    class Still(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            for key in logs:
                logs[key] = 0.5

    path = tmp_path / "history.csv"
    plateau = Plateau("val_accuracy", factor=0.5, patience=1)
    fit(Still(), plateau, History(path, figures), epochs=3, validation=validation)
    rates = [float(row["learning_rate"]) for row in read(path)]
    assert rates == pytest.approx([0.1, 0.1, 0.05])


def test_progress_in_a_log_file(capsys):
    stream = io.StringIO()
    fit(Progress(figures, Live(stream, every=0.0), validation_steps=4))
    text = stream.getvalue()
    assert text.replace("\n", "").isprintable()  # no control characters
    lines = text.splitlines()
    assert any(line.startswith("epoch 1/2: 4/4 steps, ") for line in lines)
    assert any(line.startswith("epoch 1/2 validation: ") for line in lines)
    ends = [line for line in lines if " s" in line[-3:]]
    assert len(ends) == 2
    for part in ("loss ", "accuracy ", "val_accuracy ", "3,412 patches/s", "stall 2%"):
        assert part in ends[0]
    assert ends[0].startswith("epoch 1/2: ")
    assert ", 7 generators, " in ends[0]
    assert capsys.readouterr().out == ""


def test_progress_outside_fit():
    stream = io.StringIO()
    progress = Progress(figures, Live(stream))
    model().evaluate(X, Y, verbose=0, callbacks=[progress])
    assert stream.getvalue().startswith("evaluation: ")


def test_a_late_step_of_a_phase_that_is_over_shows_nothing():
    stream = io.StringIO()
    progress = Progress(figures, Live(stream, every=0.0))
    progress.set_params({"epochs": 1, "steps": 9})
    progress.on_epoch_begin(0)
    progress.on_train_batch_end(4, {})
    progress.on_train_batch_end(2, {})  # out of order
    progress.on_test_begin()
    progress.on_train_batch_end(8, {})
    progress.close()
    progress.on_test_batch_end(0, {})
    assert [line.split(",")[0] for line in stream.getvalue().splitlines()] == [
        "epoch 1/1: 5/9 steps",
        "epoch 1/1: 5/9 steps",
    ]


def test_batch_hooks_do_not_make_steps_wait_where_keras_has_threads_for_them(monkeypatch):
    monkeypatch.setattr(keras.src.backend, "IS_THREAD_SAFE", True)  # as on JAX
    listed = keras.callbacks.CallbackList([Progress(figures, Live(io.StringIO()))])
    assert listed._async_train
    assert listed._async_test


def test_tensorboard_says_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr(callbacks.importlib.util, "find_spec", lambda _: None)
    history = History(tmp_path / "history.csv", figures)
    assert "pip install tensorboard" in callbacks.no_tensorboard()
    monkeypatch.setattr(callbacks.importlib.util, "find_spec", lambda _: object())
    assert isinstance(callbacks.tensorboard(tmp_path, history), keras.callbacks.TensorBoard)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert "through TensorFlow, and this is jax; history.csv has" in callbacks.no_tensorboard()
