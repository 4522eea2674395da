"""A program with a package missing says which one, and the command that installs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pushfit import requirements

ROOT = Path(__file__).resolve().parents[1]
HOOK = """
import os, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == os.environ["HIDDEN"]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
"""
KEYS = ("-m", "pushfit", "keys", "list")
DIGITS = ("-m", "pushfit", "samples", "digits", "--out", "nowhere")


def without(hidden: str, tmp_path: Path, *words: str, **environment: str) -> str:
    """What a program says that does not find the package `hidden`; it ends with code 2."""
    (tmp_path / "sitecustomize.py").write_text(HOOK)
    env = {**os.environ, "HIDDEN": hidden, "PYTHONPATH": str(tmp_path), **environment}
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
    (line,) = done.stderr.strip().splitlines()
    return line


@pytest.mark.parametrize(
    ("hidden", "name", "words", "extra"),
    [
        ("msgspec", "msgspec", ("train_zmq.py",), ""),
        ("msgspec", "msgspec", ("predict.py",), ""),
        ("msgspec", "msgspec", ("serve.py",), ""),
        ("msgspec", "msgspec", ("-m", "pushfit", "config"), ""),
        ("msgspec", "msgspec", ("-m", "pushfit", "store", "info"), ""),
        ("zmq", "pyzmq", ("generator_zmq.py",), ""),
        ("zmq", "pyzmq", KEYS, ""),
        ("PIL", "pillow", ("-m", "pushfit", "samples"), ""),
        ("keras", "keras", ("train_zmq.py", "--generators", "1"), "train"),
        ("h5py", "h5py", ("-m", "pushfit", "store", "info", "x"), "hdf5"),
        ("keras", "keras", ("predict.py", "--run", "x"), "train"),
        ("tqdm", "tqdm", ("sink_zmq.py", "--null"), "train"),
        ("fastapi", "fastapi", ("serve.py", "--run", "x"), "serve"),
        ("sklearn", "scikit-learn", DIGITS, "sample"),
        ("psutil", "psutil", ("-m", "bench", "soak"), "dev"),
        ("psutil", "psutil", ("-m", "bench", "serve"), "dev"),
    ],
)
def test_what_is_missing_is_named(
    hidden: str, name: str, words: tuple[str, ...], extra: str, tmp_path: Path
) -> None:
    line = without(hidden, tmp_path, *words)
    assert line.startswith(f"error: the package {name} is not installed for this Python (")
    what = f".[{extra}]" if extra else "."
    assert f"pip install -e '{what}' -c constraints.txt" in line


def test_an_image_names_the_one_that_has_it(tmp_path: Path) -> None:
    line = without("keras", tmp_path, "train_zmq.py", PUSHFIT_IMAGE="generator")
    assert line.endswith(
        "this is the generator image. Build the one that has it: docker build --target trainer ."
    )


def test_a_back_end_that_is_not_there(tmp_path: Path) -> None:
    line = without("jax", tmp_path, "train_zmq.py", "--generators", "1", KERAS_BACKEND="jax")
    assert line.startswith("error: KERAS_BACKEND=jax: ")


def test_every_package_is_found_by_the_name_of_its_module() -> None:
    """Else an installed package would count as missing, or a missing one as nobody's."""
    always = requirements.listed(requirements.BASE)
    assert {"numpy", "pillow", "pyzmq", "msgspec"} <= set(always)
    assert not requirements.missing()
    assert not requirements.missing("serve")
    assert "cykooz-resizer" not in always  # optional: its line has a marker
    assert requirements.explained(ModuleNotFoundError(name="pushfit.nowhere")) == ""
    assert requirements.explained(ModuleNotFoundError(name="a_users_own")) == ""


def test_constraints_name_what_every_extra_installs() -> None:
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    for extra in requirements.EXTRAS:
        wanted = {name.replace("_", "-") for name in requirements.listed(extra, optional=True)}
        assert wanted <= pinned, extra
