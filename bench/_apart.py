"""A measurement in a process of its own, which ends with the one that started it.

With `preexec_fn=tie` a bench that a time limit ends leaves nothing behind, whatever its sides had
started, and however deep.
"""

from __future__ import annotations

import ctypes
import inspect
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, get_type_hints

from pushfit.errors import PushFitError
from pushfit.fleet.local import PARENT
from pushfit.requirements import explained

ROOT = Path(__file__).resolve().parents[1]
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}  # TensorFlow's own log says nothing about a measurement
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
        cwd=ROOT, env={**os.environ, **QUIET, **(env or {})}, text=True,
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
        for pipe in (process.stdout, process.stderr):  # still open where the time was up
            if pipe is not None:
                pipe.close()
    if process.returncode:
        last = (complaint.strip().splitlines() or ["it ended without a word"])[-1]
        module = _MISSING.fullmatch(last)
        error = ModuleNotFoundError(name=module[1]) if module else None
        raise PushFitError((error and explained(error)) or last)
    return said


def tell(measure: Callable[..., Any], words: Sequence[str] | None = None) -> None:
    """Print, as the last line, the JSON of what `measure` returns for the words of a command line.

    measure: each parameter is annotated str, int, float or Path, which makes it of its word.
    words: None: the arguments of this process.
    A PushFitError ends the process with its sentence.
    """
    kinds = get_type_hints(measure)
    names = inspect.signature(measure).parameters
    given = sys.argv[1:] if words is None else words
    values = [kinds[name](word) for name, word in zip(names, given, strict=False)]
    try:
        print(json.dumps(measure(*values)), flush=True)
    except PushFitError as error:
        sys.exit(str(error))


def child(*words: object, inside: Sequence[str] = (), **options: Any) -> subprocess.Popen[Any]:
    """`python WORDS` from the checkout, which ends with this process at the latest.

    inside: as for `printed`. options: as `subprocess.Popen` has them.
    """
    env = {**os.environ, **QUIET, PARENT: str(os.getpid())}
    command = [*inside, sys.executable, *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, env=env, preexec_fn=tie, **options)


def end(children: Iterable[subprocess.Popen[Any]]) -> None:
    """Kill them, and wait until they are gone."""
    for process in children:
        process.kill()
    for process in children:
        process.wait()


@contextmanager
def beside(*words: object, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A `child` until the end of the block."""
    process = child(*words, **options)
    try:
        yield process
    finally:
        end([process])


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
