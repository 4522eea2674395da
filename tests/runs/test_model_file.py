"""Model files that are not whole, or something else: one sentence with the name, without Keras."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from pushfit.errors import ConfigError
from pushfit.runs import checkpoint_state, model_file
from pushfit.training import trained_run

HTML = b"\n<!DOCTYPE html><title>Sign in</title>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def hdf5(length: int = 2000) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["layers/dense/vars/0"] = list(range(length))
    return content.getvalue()


def keras(*members: str) -> bytes:
    """As much of a `.keras` file as can be told without Keras."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name in members or ("metadata.json", "config.json", "model.weights.h5"):
            file.writestr(name, hdf5() if name.endswith(".h5") else "{}")
    return content.getvalue()


def changed(content: bytes) -> bytes:
    """With a byte of its weights changed."""
    middle = content.index(b"model.weights.h5") + 1000
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


WRONG = [
    (lambda: b"", "is empty: was a disk full? Copy it again"),
    (lambda: keras()[:-30], "is cut short: its end is missing; copy it again"),
    (lambda: keras()[:2000], "is cut short: its end is missing; copy it again"),
    (lambda: changed(keras()), "is damaged: model.weights.h5 in it is invalid; copy it again"),
    (lambda: keras("word/document.xml"), "but not a model of Keras: there is no config.json in it"),
    (lambda: keras("config.json"), "but not a model of Keras: there is no model.weights.h5 in it"),
    (hdf5, "is an HDF5 file, as Keras saved models before version 3: where it can be"),
    (lambda: HTML, "is a web page, which a download left: download the model again"),
    (lambda: POINTER, "is a pointer of Git LFS, not the model: fetch that with `git lfs pull`"),
    (lambda: b"\x80\x04\x95pickle", "begins with 80 04 95 70, and is not a .keras file"),
]


@pytest.mark.parametrize(("content", "says"), WRONG)
def test_what_is_not_a_whole_model_is_told_with_its_name(
    tmp_path: Path, content: Callable[[], bytes], says: str
) -> None:
    path = tmp_path / checkpoint_state.BEST
    path.write_bytes(content())
    for call, given in (
        (model_file.check, path),
        (model_file.check_weights, str(path)),
        (checkpoint_state.read, path),
        (trained_run.find, path),
        (trained_run.find, tmp_path),
    ):
        with pytest.raises(ConfigError) as raised:
            call(given)  # type: ignore[operator]
        assert str(raised.value).startswith(f"{path} ") and says in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.weights.h5", b"", "is empty"),
        ("a.weights.h5", hdf5()[:-3000], "is cut short or damaged; copy it again"),
        ("a.weights.h5", HTML, "is a web page"),
        ("a.weights.h5", b"\x93NUMPY", "begins with 93 4e 55 4d, and is not a .weights.h5 file"),
        ("a.h5", hdf5(), "use auto, imagenet, none, or a FILE that ends in .keras or .weights.h5"),
    ],
)
def test_weights_that_cannot_serve(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        model_file.check_weights(str(tmp_path / name))
    assert says in str(raised.value) and str(tmp_path / name) in str(raised.value)


def test_what_is_whole_or_needs_no_file_passes(tmp_path: Path) -> None:
    (tmp_path / "a.keras").write_bytes(keras())
    (tmp_path / "a.weights.h5").write_bytes(hdf5())
    for name in ("none", "imagenet", tmp_path / "a.keras", tmp_path / "a.weights.h5"):
        model_file.check_weights(str(name))


def test_no_file_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"there is no model file {tmp_path}/a.keras: check"):
        model_file.check(tmp_path / "a.keras")
    with pytest.raises(ConfigError, match=r"such as best\.keras in a run's folder"):
        model_file.check_weights(str(tmp_path))
    (tmp_path / "saved.keras").mkdir()
    with pytest.raises(ConfigError, match=r"saved\.keras is a folder: give the \.keras file"):
        model_file.check(tmp_path / "saved.keras")


def test_it_needs_no_keras() -> None:
    loaded = (
        "import sys, pushfit.runs.model_file; print({'keras', 'tensorflow'} & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True)
    assert ended.stdout == "set()\n", ended.stderr


def test_a_file_that_unpacks_to_many_times_its_size_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", "{}")
        with file.open("model.weights.h5", "w", force_zip64=True) as member:
            for _ in range(64):
                member.write(bytes(2**20))
    with pytest.raises(ConfigError, match=r"a\.keras would take many times its size"):
        model_file.check(path)
