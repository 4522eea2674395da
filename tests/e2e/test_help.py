"""`--help` is there at once: what takes long to import is not imported for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.lab.processes import ROOT

HEAVY = {
    "tensorflow",
    "keras",
    "jax",
    "torch",
    "zmq",
    "PIL",
    "cv2",
    "h5py",
    "psutil",
    "asyncio",
    "fastapi",
}
# Runs a script as `python SCRIPT FLAG` does, then names every package that it has imported.
SHOW = """
import runpy, sys
sys.path.insert(0, "")
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    print(end.code, *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def shown(*words: str) -> list[str]:
    """What the command prints on its way to exit code 0, without importing anything heavy."""
    done = subprocess.run(
        [sys.executable, "-c", SHOW, *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    *lines, last = done.stdout.splitlines()
    code, *imported = last.split()
    assert code == "0"
    assert {"pushfit", "msgspec"} <= set(imported)  # it was really run
    assert not HEAVY & set(imported)
    return lines


@pytest.mark.parametrize(
    "script", ["train_zmq.py", "generator_zmq.py", "sink_zmq.py", "predict.py", "serve.py"]
)
def test_help_imports_nothing_heavy(script: str) -> None:
    assert any(line.lstrip().startswith("--") for line in shown(script, "--help"))


def test_the_models_are_listed_without_keras_data_or_fleet() -> None:
    rows = [line.split() for line in shown("train_zmq.py", "--list-models", "--links", "/nowhere")]
    assert ["mobilenet", "3.23", "M", "32", "px", "yes"] in rows
    assert ["squeezenet1.1", "0.73", "M", "8", "px"] in rows
