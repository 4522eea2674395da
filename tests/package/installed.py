"""PushFit as pip installs it: an environment without the checkout, an empty folder to work in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.lab.processes import LONG

INSTALL_SECONDS = 600.0  # pip fetches some 50 MB


class Installed:
    """A virtual environment, and the folder in which its programs run.

    borrowed: folders whose packages it has as well, after its own.
    """

    def __init__(self, where: Path, borrowed: Iterable[str] = ()) -> None:
        self.folder = where / "folder"
        self.folder.mkdir(parents=True)
        made = [sys.executable, "-m", "venv", "--without-pip", str(where / "venv")]
        subprocess.run(made, check=True, timeout=LONG)
        self.python = where / "venv" / "bin" / "python"
        (self.site,) = (where / "venv").glob("lib/python3*/site-packages")
        # Python does not follow the .pth files of folders that a .pth file names: an editable
        # installation of the checkout among the borrowed packages stays out.
        (self.site / "borrowed.pth").write_text("".join(f"{path}\n" for path in borrowed))

    def install(self, *words: object) -> None:
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet"]
        done = subprocess.run(
            [*command, *map(str, words)],
            cwd=self.folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *words: object, code: int = 0) -> str:
        """What `pushfit WORDS…` says; it ends with `code`, and without a traceback."""
        return self._done([self.python.with_name("pushfit"), *words], code)

    def ask_python(self, *words: object) -> str:
        """What `python WORDS…` says."""
        return self._done([self.python, *words], 0).strip()

    @contextmanager
    def running(self, *words: object) -> Iterator[subprocess.Popen[str]]:
        """`pushfit WORDS…` while the block runs; told to end after it."""
        process = subprocess.Popen(
            [str(word) for word in (self.python.with_name("pushfit"), *words)],
            cwd=self.folder, env=self._environment(), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.communicate(timeout=LONG)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()

    def _done(self, words: list[object], code: int) -> str:
        done = subprocess.run(
            [str(word) for word in words],
            cwd=self.folder, env=self._environment(), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=LONG, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"exit code {done.returncode} of {words}:\n{done.stdout}"
        assert "Traceback" not in done.stdout, done.stdout
        return done.stdout

    def _environment(self) -> dict[str, str]:
        """Nothing that leads to the checkout: not the tests' path, no setting of the tester."""
        left_out = ("PYTHON", "PUSHFIT_", "VIRTUAL_ENV")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
        return {**kept, "PUSHFIT_WEIGHTS": "none", "PYTHONUNBUFFERED": "1"}


def said(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """The first line of `process` that has `pattern`."""
    assert process.stdout is not None
    lines, until = [], time.monotonic() + LONG
    for line in process.stdout:
        lines.append(line)
        if found := re.search(pattern, line):
            return found
        assert time.monotonic() < until, "".join(lines)
    raise AssertionError(f"no {pattern!r} in:\n{''.join(lines)}")
