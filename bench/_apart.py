"""A measurement in a process of its own, which ends with the one that started it.

With `preexec_fn=tie` a bench that a time limit ends leaves nothing behind, whatever its sides had
started, and however deep.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pushfit.errors import PushFitError
from pushfit.requirements import explained

ROOT = Path(__file__).resolve().parents[1]
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_MISSING = re.compile(r"ModuleNotFoundError: No module named '([^']+)'")


def tie() -> None:
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def printed(
    *words: str,
    seconds: float,
    env: Mapping[str, str] | None = None,
    inside: Sequence[str] = (),
) -> str:
    """What `python WORDS` prints. Raises PushFitError where it fails, or takes over `seconds`.

    env: variables besides those of this process; inside: words before the command, such as those
    that enter a test host. Whatever the process started and left in its group ends with it.
    """
    process = subprocess.Popen(
        [*inside, sys.executable, *words],
        cwd=ROOT, env={**os.environ, **(env or {})}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True, preexec_fn=tie,
    )  # fmt: skip
    try:
        said, complaint = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise PushFitError(f"it was not done after {seconds:.0f} s") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode:
        last = (complaint.strip().splitlines() or ["it ended without a word"])[-1]
        module = _MISSING.fullmatch(last)
        error = ModuleNotFoundError(name=module[1]) if module else None
        raise PushFitError((error and explained(error)) or last)
    return said


def free_port() -> int:
    """A port that is free now, and whose neighbour above is free too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port
