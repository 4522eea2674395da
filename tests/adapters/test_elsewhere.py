"""The tests of frameworks that change the process which imports them, in processes of their own.

JAX, once imported, warns of every fork, and tests fork.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from bench.lab.processes import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["jax", "torch"])
def test_the_adapter(framework: str) -> None:
    if find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    file = f"tests/adapters/checks_{framework}.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout
