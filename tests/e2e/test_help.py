"""`--help` is there at once: what takes long to import is not imported for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.e2e.processes import ROOT

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
# Runs a script as `python SCRIPT --help` does, then names every package that it has imported.
SHOW = """
import runpy, sys
sys.path.insert(0, "")
sys.argv = [sys.argv[1], "--help"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    print(end.code, *sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize(
    "script", ["train_zmq.py", "generator_zmq.py", "sink_zmq.py", "predict.py", "serve.py"]
)
def test_help_imports_nothing_heavy(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOW, script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    *shown, last = done.stdout.splitlines()
    code, *imported = last.split()
    assert code == "0" and any(line.lstrip().startswith("--") for line in shown)
    assert {"cfg", "lib", "msgspec"} <= set(imported)  # it was really run
    assert not HEAVY & set(imported)
