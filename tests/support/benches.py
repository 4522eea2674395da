"""A bench as a person starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from bench.lab.processes import ROOT


def bench(name: str, *words: object) -> dict[str, Any]:
    """What `python -m bench NAME WORDS --json` tells; it must end without a failure."""
    command = [sys.executable, "-m", "bench", name, "--json", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
