"""A measurement in a process of its own, which ends with the one that started it.

With `preexec_fn=tie` a bench that a time limit ends leaves nothing behind, whatever its sides had
started, and however deep.
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from pathlib import Path

from lib.errors import PushFitError

ROOT = Path(__file__).resolve().parents[1]
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def tie() -> None:
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def printed(*words: str, seconds: float) -> str:
    """What `python WORDS` prints. Raises PushFitError where it fails, or takes over `seconds`."""
    command = [sys.executable, *words]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, preexec_fn=tie
        )
    except subprocess.TimeoutExpired:
        raise PushFitError(f"it was not done after {seconds:.0f} s") from None
    if done.returncode:
        raise PushFitError((done.stderr.strip().splitlines() or ["it ended without a word"])[-1])
    return done.stdout
