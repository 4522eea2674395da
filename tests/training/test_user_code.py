"""Code that a setting names: found, run by the user's word alone, and its mistakes told."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from pushfit.errors import ConfigError
from pushfit.runs import outputs
from pushfit.settings import code
from pushfit.settings.config_file import CONFIG
from pushfit.settings.programs.train import TrainSettings
from pushfit.settings.resolve import Resolved, resolve
from pushfit.training import user_callbacks, user_code
from pushfit.training.user_callbacks import CallbackError
from pushfit.training.user_code import UserCode

FILE = """
import keras

with open({mark!r}, "a") as file:
    file.write("x")


class Kind:
    class Inner(keras.callbacks.Callback):
        pass


class Failing(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise KeyError("nothing there")


def made():
    return Kind.Inner()


def needs(what):
    return what


number = 3
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "mine.py"
    path.write_text(FILE.format(mark=str(tmp_path / "ran")))
    return path


def test_what_data_names_runs_only_once_a_person_has_named_it(tmp_path: Path, file: Path) -> None:
    text = f"{file}:made"
    with pytest.raises(ConfigError, match=r"the run before names --callback .* name it in a"):
        user_code.load_one("--callback", text, "the run before")
    assert not (tmp_path / "ran").exists()
    user_code.check_one("--callback", text)
    assert not (tmp_path / "ran").exists()  # to look whether it is there is not to run it
    assert callable(user_code.load_one("--callback", text))
    assert callable(user_code.load_one("--callback", text, "the run before"))
    assert (tmp_path / "ran").read_text() == "x"  # a file runs once
    for other in ("needs", "keras.utils.get_file"):  # another thing in it was not named
        with pytest.raises(ConfigError, match="have not named that on this host"):
            user_code.load_one("--callback", f"{file}:{other}", "the run before")
    file.write_text(file.read_text() + "\n# changed\n")
    with pytest.raises(ConfigError, match="have not named that on this host with its present"):
        user_code.load_one("--callback", text, "the run before")


def test_a_module_that_data_names_is_not_imported_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "pushfit_made_module.py").write_text("1 / 0\n")
    text = "pushfit_made_module:X"
    with pytest.raises(ConfigError, match=r"you have not named that on this host\. A folder"):
        user_code.load_one("--loss", text, "the run before")
    user_code.check_one("--loss", text)
    with pytest.raises(ConfigError, match="--loss pushfit_made_module:X: ZeroDivisionError"):
        user_code.load_one("--loss", text)


def test_a_module_that_is_installed() -> None:
    assert user_code.load_one("--callback", "keras.callbacks:TerminateOnNaN") is (
        keras.callbacks.TerminateOnNaN
    )


def resolved(*argv: object) -> Resolved[TrainSettings]:
    return resolve(TrainSettings, [str(word) for word in argv], prog="train")


def test_what_only_the_folder_of_a_run_names_does_not_run(tmp_path: Path, file: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    own = (
        "--callback",
        f"{file}:made",
        "--model",
        f"{file}:needs",
        "--metrics",
        f"auc,{file}:number",
    )
    first = resolved(*own, "--out", out)
    outputs.write_json(out / CONFIG, first.as_json())
    again = ("--resume", "--out", out)
    with pytest.raises(ConfigError, match="the run before names --model"):
        user_code.check(resolved(*again))
    with pytest.raises(ConfigError, match="the run before names --callback"):
        user_code.load(resolved(*again, *own[2:]))
    user_code.check(resolved(*again, *own))  # named now
    objects = user_code.load(first).objects
    assert objects.keys() == {f"{file}:{name}" for name in ("made", "needs", "number")}
    user_code.check(resolved(*again))  # named before, as it is
    assert resolved(*again, "--callback", "").settings.callback == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no_such_module_here:X", "there is no module 'no_such_module_here' here: install it"),
        ("json.no_such_part:X", "there is no module 'json.no_such_part'"),
        ("json:dmups", "there is no 'dmups' in json, did you mean 'dumps'"),
    ],
)
def test_modules_that_are_not_there(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"--loss {text}: .*{said}"):
        user_code.load_one("--loss", text)


def test_files_that_are_not_there_or_wrong(tmp_path: Path, file: Path) -> None:
    with pytest.raises(ConfigError, match=r"--loss: there is no file .*, did you mean 'mine.py'"):
        user_code.check_one("--loss", f"{tmp_path / 'mien.py'}:made")
    with pytest.raises(ConfigError, match=r"there is no 'maed' in .*, did you mean 'made'"):
        user_code.load_one("--callback", f"{file}:maed")
    file.write_text("def broken(:\n")
    with pytest.raises(ConfigError, match=r"--loss: .*mine.py line 1 is not Python"):
        user_code.check_one("--loss", f"{file}:made")
    file.write_text("1 / 0\n")
    with pytest.raises(ConfigError, match=r"--loss: .*ZeroDivisionError: .*mine.py:1"):
        user_code.load_one("--loss", f"{file}:made")


@pytest.mark.parametrize("text", ["mine.py", "mine.py:", ":made", "mine.py:a b", "a/b:made"])
def test_names_that_cannot_be_code(text: str) -> None:
    with pytest.raises(ConfigError, match="--callback"):
        TrainSettings(callback=(text,))


def test_a_file_may_move() -> None:
    moved = code.unplaced("a,/x/y/mine.py:loss,/z/other.py:b")
    assert moved == "a,mine.py:loss,other.py:b"
    assert code.unplaced("/x/data.json") == "/x/data.json"


# -- callbacks --------------------------------------------------------------------------------


def callbacks(file: Path, *names: str) -> list[keras.callbacks.Callback]:
    texts = [f"{file}:{name}" for name in names]
    objects = {text: user_code.load_one("--callback", text) for text in texts}
    return user_callbacks.make(texts, UserCode(objects))


def test_a_class_or_a_function_gives_a_callback(file: Path) -> None:
    inner, made = callbacks(file, "Kind.Inner", "made")
    assert type(inner).__name__ == type(made).__name__ == "Inner"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("number", "is int: name a class"),
        ("needs", "cannot be called without arguments: TypeError"),
        ("Kind", "gives Kind, and it must be a keras.callbacks.Callback"),
    ],
)
def test_what_is_not_a_callback(file: Path, name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"--callback .*:{name} {said}"):
        callbacks(file, name)


def fit(*used: keras.callbacks.Callback) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=list(used))


def test_what_a_callback_raises_names_it(file: Path) -> None:
    said = r"mine.py:Failing failed in on_epoch_end: KeyError: 'nothing there' \(mine.py:\d+"
    with pytest.raises(CallbackError, match=said):
        fit(*callbacks(file, "Failing"))


def test_hooks_that_a_callback_does_not_have_stay_keras_own(file: Path) -> None:
    (inner,) = callbacks(file, "Kind.Inner")
    inherited = keras.callbacks.Callback.on_train_batch_end
    assert type(inner).on_train_batch_end is inherited  # else steps would wait for its figures
    assert "on_train_batch_end" not in vars(inner)
    called: list[int] = []
    hooked = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: called.append(1))
    (same,) = user_callbacks.make(["a:b"], UserCode({"a:b": hooked}))
    fit(same)
    assert called == [1]
